/// Manifest: bundle.json as typed values, those fields that an app uses; docs/bundle.md explains each. Ignores fields
/// that it does not know, refuses a schema version above its own.
import Foundation

public struct Manifest: Decodable, Sendable {
    /// The highest version that this package reads.
    public static let schemaVersion = 1

    public let schemaVersion: Int
    public let created: String
    public let model: ModelEntry
    /// From an encoded image or sound to the input tensor; nil: the app makes the tensors itself.
    public let preprocess: PreprocessSpec?
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]
    /// How the artifacts are fed piece by piece; nil: each call takes a whole sample.
    public let stream: StreamEntry?
    public let labels: FileEntry?
    public let artifacts: [Artifact]
    public let golden: [GoldenSample]
    /// What a reader must know before trusting the figures; show them.
    public let warnings: [String]

    private enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case created, model, preprocess, inputs, outputs, stream, labels, artifacts, golden, warnings
    }

    /// Reads bundle.json. `name` is what errors call it. Throws `BundleError` naming the field that is wrong.
    public static func decode(_ data: Data, name: String) throws -> Manifest {
        let decoder = JSONDecoder()
        do {
            let probe = try decoder.decode(VersionProbe.self, from: data)
            guard probe.version == schemaVersion else {
                throw BundleError(
                    "\(name): written in schema version \(probe.version); this app reads \(schemaVersion)",
                    hint: probe.version > schemaVersion
                        ? "update the app, or export with an older mobilekit"
                        : "export the model again with a newer mobilekit"
                )
            }
            let manifest = try decoder.decode(Manifest.self, from: data)
            guard let contradiction = manifest.contradiction else { return manifest }
            throw BundleError("\(name): \(contradiction)", hint: again)
        } catch let error as DecodingError {
            throw BundleError("\(name): \(words(for: error))", hint: again)
        }
    }

    private static let again = "embed the bundle again, or export it again"

    /// Why its parts do not fit each other; nil where they do. Whoever runs an artifact or a sample relies on it.
    private var contradiction: String? {
        for artifact in artifacts {
            if artifact.inputs.isEmpty || artifact.inputs.count != inputs.count {
                return "\(artifact.file) has \(artifact.inputs.count) inputs, the model \(inputs.count)"
            }
            if artifact.outputs.isEmpty { return "\(artifact.file) has no output" }
        }
        if let sample = golden.first(where: { $0.inputs.isEmpty }) { return "golden sample \(sample.id) has no input" }
        guard let stream else { return nil }
        guard let cut = inputs.first(where: { $0.name == stream.input }) else {
            return "stream: \(stream.input) is not among the inputs"
        }
        guard cut.shape.indices.contains(stream.axis) else {
            return "stream: \(stream.input) has no axis \(stream.axis)"
        }
        return stream.frames < 1 ? "stream: frames must be 1 or more" : nil
    }

    private struct VersionProbe: Decodable {
        let version: Int

        private enum CodingKeys: String, CodingKey {
            case version = "schema_version"
        }
    }

    private static func words(for error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context):
            return "\(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context):
            return "\(place(context.codingPath)) is null"
        case .typeMismatch(_, let context), .dataCorrupted(let context):
            let at = place(context.codingPath)
            return at.isEmpty ? "not valid JSON" : "\(at): \(context.debugDescription)"
        @unknown default:
            return "not valid"
        }
    }

    /// For example `artifacts[2].shape`.
    private static func place(_ path: [CodingKey]) -> String {
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return text
    }
}

/// A file, or a folder such as an .mlpackage, with what it takes to notice a change.
public struct FileEntry: Decodable, Sendable, Equatable {
    public let file: String
    public let bytes: Int
    public let sha256: String

    public init(file: String, bytes: Int, sha256: String) {
        self.file = file
        self.bytes = bytes
        self.sha256 = sha256
    }
}

public struct ModelEntry: Decodable, Sendable {
    public let name: String
    public let task: String
    /// False: random weights, no accuracy can be expected.
    public let trained: Bool

    /// Whether the highest value of the first output is the class.
    public var isClassifier: Bool { task == "image-classification" || task == "audio-classification" }
}

/// A size, or the name of a dynamic dimension.
public enum Dimension: Decodable, Sendable, Equatable {
    case fixed(Int)
    case named(String)

    public init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let size = try? container.decode(Int.self) {
            self = .fixed(size)
        } else {
            self = .named(try container.decode(String.self))
        }
    }
}

public struct TensorSpec: Decodable, Sendable, Equatable {
    public struct Bounds: Decodable, Sendable, Equatable {
        public let min: Int
        public let max: Int
    }

    public let name: String
    public let dtype: DType
    public let shape: [Dimension]
    /// Of each dynamic dimension, by its name.
    public let bounds: [String: Bounds]

    private enum CodingKeys: String, CodingKey {
        case name, dtype, shape
        case bounds = "dynamic"
    }

    /// The concrete shape, each dynamic dimension at its lower bound: one sample.
    public var sized: [Int] { shape.map { size(of: $0) } }

    private func size(of dimension: Dimension) -> Int {
        switch dimension {
        case .fixed(let size): return size
        case .named(let name): return bounds[name]?.min ?? 1
        }
    }
}

/// One model file.
public struct Artifact: Decodable, Sendable, Equatable, Identifiable {
    public let file: String
    public let bytes: Int
    public let sha256: String
    public let target: String
    public let scheme: String
    /// What loads it: `executorch`, `coreml`, `onnxruntime`, `torch`.
    public let runtime: String
    public let minimumRuntime: String
    public let backends: [String]
    public let operators: [String]
    /// False: stays on the desk.
    public let ship: Bool
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]

    public var id: String { file }
    public var entry: FileEntry { FileEntry(file: file, bytes: bytes, sha256: sha256) }

    private enum CodingKeys: String, CodingKey {
        case file, bytes, sha256, target, scheme, runtime, backends, operators, ship, inputs, outputs
        case minimumRuntime = "minimum_runtime"
    }
}

/// How one input is cut into pieces, and what is handed from call to call: docs/streaming.md.
public struct StreamEntry: Decodable, Sendable, Equatable {
    public struct State: Decodable, Sendable, Equatable {
        public let input: String
        public let output: String
        public let shape: [Int]
        public let dtype: DType
        public let initial: Double
    }

    public let input: String
    public let axis: Int
    public let frames: Int
    public let states: [State]
}

/// One sample all the way from its encoded form to every artifact's outputs.
public struct GoldenSample: Decodable, Sendable {
    public let id: String
    public let label: Int?
    public let encoded: FileEntry?
    public let pixels: GoldenTensor?
    public let waveform: GoldenTensor?
    public let inputs: [GoldenTensor]
    public let inputMaxAbsError: Double
    public let outputs: [GoldenOutput]

    private enum CodingKeys: String, CodingKey {
        case id, label, encoded, pixels, waveform, inputs, outputs
        case inputMaxAbsError = "input_max_abs_error"
    }
}

/// A little-endian, C-contiguous tensor in a file of its own.
public struct GoldenTensor: Decodable, Sendable, Equatable {
    public let file: String
    public let bytes: Int
    public let sha256: String
    public let name: String
    public let dtype: DType
    public let shape: [Int]

    public var entry: FileEntry { FileEntry(file: file, bytes: bytes, sha256: sha256) }
}

/// One artifact's outputs for a golden sample, and how far another machine may be from them.
public struct GoldenOutput: Decodable, Sendable {
    public let target: String
    public let scheme: String
    public let outputs: [GoldenTensor]
    public let maxAbsError: Double

    private enum CodingKeys: String, CodingKey {
        case target, scheme, outputs
        case maxAbsError = "max_abs_error"
    }
}
