/// CoreMLRuntime: .mlpackage models through the system's Core ML. Compiles on the device, so that the bundle's hash is
/// that of the package as it was exported. Refuses element types that Core ML has no arrays of.
import CoreML
import Foundation
import MobileKitRuntime

struct CoreMLRuntime: MobileKitRuntime.Runtime {
    let name = "coreml"
    /// The system's, as `minimum_runtime` of these artifacts is: `iOS17.4`.
    var version: String {
        let system = ProcessInfo.processInfo.operatingSystemVersion
        return "iOS\(system.majorVersion).\(system.minorVersion)"
    }
    let backends: Set<String> = []

    func hasOperator(_ name: String) -> Bool { true }

    func load(_ artifact: Artifact, at url: URL) throws -> any ModelRunner {
        try CoreMLRunner(artifact, at: url)
    }
}

private final class CoreMLRunner: ModelRunner {
    private let model: MLModel
    private let compiled: URL
    private let artifact: Artifact

    init(_ artifact: Artifact, at url: URL) throws {
        do {
            let compiled = try MLModel.compileModel(at: url)
            let configuration = MLModelConfiguration()
            configuration.computeUnits = .all
            model = try MLModel(contentsOf: compiled, configuration: configuration)
            self.compiled = compiled
            self.artifact = artifact
        } catch {
            throw RunnerError(
                "\(artifact.file) cannot be loaded: \(error.localizedDescription)",
                hint: "it needs \(artifact.minimumRuntime) or later"
            )
        }
    }

    deinit {
        try? FileManager.default.removeItem(at: compiled)
    }

    func run(_ inputs: [Tensor]) throws -> [Tensor] {
        guard inputs.count == artifact.inputs.count else {
            throw RunnerError("\(artifact.file) takes \(artifact.inputs.count) inputs, given \(inputs.count)")
        }
        var features: [String: MLFeatureValue] = [:]
        for (input, spec) in zip(inputs, artifact.inputs) {
            features[spec.name] = MLFeatureValue(multiArray: try array(of: input))
        }
        let answer: MLFeatureProvider
        do {
            answer = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: features))
        } catch {
            throw RunnerError("\(artifact.file) cannot be run: \(error.localizedDescription)")
        }
        var outputs: [Tensor] = []
        for spec in artifact.outputs {
            guard let array = answer.featureValue(for: spec.name)?.multiArrayValue else {
                throw RunnerError("\(artifact.file): output \(spec.name) is missing")
            }
            outputs.append(try tensor(of: array, as: spec))
        }
        return outputs
    }

    private func array(of tensor: Tensor) throws -> MLMultiArray {
        let type: MLMultiArrayDataType
        switch tensor.dtype {
        case .float32: type = .float32
        case .float16: type = .float16
        case .int32: type = .int32
        case .int64, .int8, .uint8, .bool:
            throw RunnerError("\(artifact.file): Core ML takes no \(tensor.dtype.rawValue) input \(tensor.name)")
        }
        let array = try MLMultiArray(shape: tensor.shape.map { NSNumber(value: $0) }, dataType: type)
        tensor.data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            if let base = bytes.baseAddress {
                array.dataPointer.copyMemory(from: base, byteCount: bytes.count)
            }
        }
        return array
    }

    /// By index, since an output's memory may have gaps that its strides tell of.
    private func tensor(of array: MLMultiArray, as spec: TensorSpec) throws -> Tensor {
        let shape = array.shape.map(\.intValue)
        switch spec.dtype {
        case .float32:
            return try Tensor(name: spec.name, shape: shape, floats: (0..<array.count).map { array[$0].floatValue })
        case .int32:
            let values = (0..<array.count).map { array[$0].int32Value }
            let data = values.withUnsafeBufferPointer { Data(buffer: $0) }
            return try Tensor(name: spec.name, dtype: .int32, shape: shape, data: data)
        case .float16, .int64, .int8, .uint8, .bool:
            throw RunnerError("\(artifact.file): output \(spec.name) as \(spec.dtype.rawValue) is not supported")
        }
    }
}
