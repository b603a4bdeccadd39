/// GoldenCheck: a bundle's golden samples, stage by stage, so that it shows which step differs here: decoding,
/// preprocessing, the model's outputs, the answer. The same code runs in tests and on the app's golden screen.
///
/// Each stage starts from the stored result of the one before it, so that one difference does not hide the next.
import Foundation

/// What one stage of one sample came to.
public struct StageResult: Sendable, Equatable, Identifiable {
    public enum Stage: String, Sendable, CaseIterable {
        case decode, preprocess, outputs, label
    }

    public let sample: String
    public let stage: Stage
    /// How far apart: the largest difference of any value; for pictures of lossy formats the mean one, in levels of
    /// 255.
    public let distance: Double
    public let tolerance: Double
    public let passed: Bool
    /// What is worth knowing besides: the label, or why there is no distance.
    public let detail: String?

    public var id: String { "\(sample)/\(stage.rawValue)" }

    public init(
        sample: String, stage: Stage, distance: Double, tolerance: Double, passed: Bool, detail: String? = nil
    ) {
        self.sample = sample
        self.stage = stage
        self.distance = distance
        self.tolerance = tolerance
        self.passed = passed
        self.detail = detail
    }
}

public enum GoldenCheck {
    /// An encoded image -> upright RGB pixels, as this device decodes it. The flag says whether EXIF turns the image.
    public typealias Decode = (Data, Bool) throws -> Pixels

    /// Mean levels. Another JPEG decoder may round its inverse transform otherwise and spread colour over edges
    /// otherwise: a level or so. An image that is turned, cut or of another colour order is off by tens of levels.
    public static let lossyTolerance = 3.0
    /// A waveform that had to be resampled: another order of float64 sums, rounded to float32.
    public static let resampledTolerance = 1e-7

    /// All stages of all samples. Without `runner`, those before the model; without `decode`, no pictures are decoded.
    public static func run(
        _ bundle: ModelBundle, artifact: Artifact, runner: (any ModelRunner)?, decode: Decode? = nil
    ) throws -> [StageResult] {
        var results: [StageResult] = []
        for sample in bundle.manifest.golden {
            results += try run(sample, of: bundle, artifact: artifact, runner: runner, decode: decode)
        }
        return results
    }

    /// All stages of one sample. A stage that throws is a stage that failed, and its detail says why; only files that
    /// cannot be read throw from here.
    public static func run(
        _ sample: GoldenSample, of bundle: ModelBundle, artifact: Artifact, runner: (any ModelRunner)?,
        decode: Decode? = nil
    ) throws -> [StageResult] {
        var results = try beforeTheModel(sample, of: bundle, decode: decode)
        if let runner {
            results += try outputs(sample, of: bundle, artifact: artifact, runner: runner)
        }
        return results
    }

    private static func beforeTheModel(
        _ sample: GoldenSample, of bundle: ModelBundle, decode: Decode?
    ) throws -> [StageResult] {
        guard let preprocess = bundle.manifest.preprocess else { return [] }
        let input = try sample.inputs.first.map { try bundle.golden($0) }
        let encoded = try sample.encoded.map { try bundle.files.open($0.file) }
        var results: [StageResult] = []
        switch preprocess {
        case .image(let spec):
            guard let pixels = try sample.pixels.map({ try bundle.golden($0) }) else { return [] }
            if let encoded, let decode {
                results.append(decoded(sample, encoded, pixels, spec: spec, decode: decode))
            }
            results.append(image(sample, pixels, expected: input, spec: spec))
        case .audio(let spec):
            guard let waveform = try sample.waveform.map({ try bundle.golden($0) }) else { return [] }
            if let encoded {
                results.append(heard(sample, encoded, waveform, spec: spec))
            }
            results.append(sound(sample, waveform, expected: input, spec: spec))
        }
        return results
    }

    // MARK: - Decode

    private static func decoded(
        _ sample: GoldenSample, _ data: Data, _ golden: Tensor, spec: ImageSpec, decode: Decode
    ) -> StageResult {
        let lossy = isLossy(data)
        return staged(sample, .decode, tolerance: lossy ? lossyTolerance : 0) {
            let pixels = try decode(data, spec.exifOrientation)
            let shape = [pixels.height, pixels.width, pixels.channels]
            guard shape == golden.shape else {
                throw InputError("decoded to \(shape), golden pixels are \(golden.shape)")
            }
            if lossy {
                return meanDistance(pixels.bytes, [UInt8](golden.data))
            }
            return try largestDistance(pixels.bytes.map { Double($0) }, golden.values())
        }
    }

    private static func heard(_ sample: GoldenSample, _ data: Data, _ golden: Tensor, spec: AudioSpec) -> StageResult {
        var rate = spec.sampleRate
        var result: Result<Double, Error> = .success(0)
        do {
            let wav = try readWav(data, name: sample.id)
            rate = wav.rate
            let waveform = try AudioPreprocessor(spec).waveform(wav, name: sample.id)
            result = .success(try largestDistance(waveform.map { Double($0) }, golden.values()))
        } catch {
            result = .failure(error)
        }
        return staged(sample, .decode, tolerance: rate == spec.sampleRate ? 0 : resampledTolerance) {
            try result.get()
        }
    }

    // MARK: - Preprocess

    private static func image(
        _ sample: GoldenSample, _ golden: Tensor, expected: Tensor?, spec: ImageSpec
    ) -> StageResult {
        staged(sample, .preprocess, tolerance: sample.inputMaxAbsError) {
            guard golden.dtype == .uint8, golden.shape.count == 3, let expected else {
                throw InputError("golden pixels must be uint8 (height, width, channels), with an input beside them")
            }
            let pixels = try Pixels(
                width: golden.shape[1], height: golden.shape[0], channels: golden.shape[2], bytes: [UInt8](golden.data)
            )
            return try distance(ImagePreprocessor(spec).tensor(pixels), expected)
        }
    }

    private static func sound(
        _ sample: GoldenSample, _ golden: Tensor, expected: Tensor?, spec: AudioSpec
    ) -> StageResult {
        staged(sample, .preprocess, tolerance: sample.inputMaxAbsError) {
            guard let expected else { throw InputError("the golden sample has no input") }
            return try distance(AudioPreprocessor(spec).tensor(golden.floats()), expected)
        }
    }

    // MARK: - Outputs and label

    private static func outputs(
        _ sample: GoldenSample, of bundle: ModelBundle, artifact: Artifact, runner: any ModelRunner
    ) throws -> [StageResult] {
        let match = sample.outputs.first { $0.target == artifact.target && $0.scheme == artifact.scheme }
        // Outputs of an artifact that could not be executed where it was exported: nothing to hold this device to.
        guard let entry = match, entry.outputs.allSatisfy({ bundle.files.exists($0.file) }) else { return [] }
        let expected = try entry.outputs.map { try bundle.golden($0) }
        let inputs = try sample.inputs.map { try bundle.golden($0) }
        var given: [Tensor] = []
        let outputs = staged(sample, .outputs, tolerance: entry.maxAbsError) {
            given = try answers(to: inputs, bundle: bundle, runner: runner)
            let wanted = compared(expected, in: bundle.manifest)
            guard given.count == wanted.count else {
                throw RunnerError("the model gave \(given.count) outputs, \(wanted.count) expected")
            }
            var largest = 0.0
            for (one, other) in zip(given, wanted) {
                largest = max(largest, try distance(one, other))
            }
            return largest
        }
        guard bundle.manifest.model.isClassifier, !given.isEmpty, let golden = expected.first else { return [outputs] }
        return [outputs, label(sample, given: given[0], golden: golden, of: bundle, tolerance: entry.maxAbsError)]
    }

    /// The outputs for a sample; of a streaming model those of every call, with a first dimension of calls.
    private static func answers(to inputs: [Tensor], bundle: ModelBundle, runner: any ModelRunner) throws -> [Tensor] {
        guard let stream = bundle.manifest.stream else { return try runner.run(inputs) }
        var session = try StreamSession(stream, inputs: bundle.manifest.inputs, outputs: bundle.manifest.outputs)
        let calls = try session.callAll(inputs, runner: runner)
        guard let first = calls.first else { return [] }
        return try first.indices.map { index in
            var data = Data()
            for call in calls {
                data.append(call[index].data)
            }
            let one = first[index]
            return try Tensor(name: one.name, dtype: one.dtype, shape: [calls.count] + one.shape, data: data)
        }
    }

    /// Of a streaming model's golden outputs those that are no state.
    private static func compared(_ expected: [Tensor], in manifest: Manifest) -> [Tensor] {
        guard let stream = manifest.stream, expected.count == manifest.outputs.count else { return expected }
        let states = Set(stream.states.map(\.output))
        return zip(manifest.outputs, expected).filter { !states.contains($0.0.name) }.map { $0.1 }
    }

    /// Whether the answer is the golden one. Where two classes lie within the tolerance of each other, either is right.
    private static func label(
        _ sample: GoldenSample, given: Tensor, golden: Tensor, of bundle: ModelBundle, tolerance: Double
    ) -> StageResult {
        let classes = golden.shape.last ?? 0
        let answer = Array(given.values().suffix(classes))
        let wanted = Array(golden.values().suffix(classes))
        guard let one = argmax(answer), let other = argmax(wanted), one < wanted.count else {
            return StageResult(
                sample: sample.id, stage: .label, distance: .infinity, tolerance: 0, passed: false, detail: "no classes"
            )
        }
        let gap = wanted[other] - wanted[one]
        let name = bundle.labels?[one] ?? "class \(one)"
        return StageResult(
            sample: sample.id, stage: .label, distance: gap, tolerance: 2 * tolerance, passed: gap <= 2 * tolerance,
            detail: one == other ? name : "\(name), golden: \(bundle.labels?[other] ?? "class \(other)")"
        )
    }

    // MARK: - Distances

    private static func staged(
        _ sample: GoldenSample, _ stage: StageResult.Stage, tolerance: Double, _ measure: () throws -> Double
    ) -> StageResult {
        do {
            let distance = try measure()
            return StageResult(
                sample: sample.id, stage: stage, distance: distance, tolerance: tolerance, passed: distance <= tolerance
            )
        } catch {
            let words = (error as? MobileKitError)?.message ?? error.localizedDescription
            return StageResult(
                sample: sample.id, stage: stage, distance: .infinity, tolerance: tolerance, passed: false, detail: words
            )
        }
    }

    static func distance(_ one: Tensor, _ other: Tensor) throws -> Double {
        guard one.dtype == other.dtype, one.shape == other.shape else {
            throw InputError(
                "\(one.name): \(one.dtype.rawValue) \(one.shape), golden: \(other.dtype.rawValue) \(other.shape)"
            )
        }
        return try largestDistance(one.values(), other.values())
    }

    /// NaN and infinity are equal to themselves, and infinitely far from everything else.
    static func largestDistance(_ one: [Double], _ other: [Double]) throws -> Double {
        guard one.count == other.count else {
            throw InputError("\(one.count) values, golden: \(other.count)")
        }
        var largest = 0.0
        for (a, b) in zip(one, other) where !(a == b || (a.isNaN && b.isNaN)) {
            let difference = abs(a - b)
            largest = max(largest, difference.isFinite ? difference : .infinity)
        }
        return largest
    }

    private static func meanDistance(_ one: [UInt8], _ other: [UInt8]) -> Double {
        guard one.count == other.count, !one.isEmpty else { return .infinity }
        var total = 0
        for (a, b) in zip(one, other) {
            total += abs(Int(a) - Int(b))
        }
        return Double(total) / Double(one.count)
    }

    /// JPEG and WebP, by their first bytes: whether a WebP is lossless stands deeper inside, and costs little to allow.
    private static func isLossy(_ data: Data) -> Bool {
        let start = [UInt8](data.prefix(12))
        return start.starts(with: [0xFF, 0xD8, 0xFF]) || start.starts(with: Array("RIFF".utf8))
    }
}
