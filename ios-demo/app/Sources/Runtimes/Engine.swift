/// Engine: one loaded artifact and what feeds it. An actor, so that a model is never called twice at once and no screen
/// waits for it. Refuses pictures for a model of sound, and sound for one of pictures.
import Foundation
import MobileKitRuntime

/// What a classifier said, and how long it took.
struct Answer: Sendable {
    let scores: [Score]
    let preprocessMs: Double
    let modelMs: Double
}

/// What a model of sound has heard so far.
struct Heard: Sendable {
    let scores: [Score]
    /// Whether this is the answer for a whole clip, after which the next one begins.
    let complete: Bool
}

actor Engine {
    private let bundle: ModelBundle
    private let offer: Offer
    private var runner: (any ModelRunner)?
    private var preprocessor: ImagePreprocessor?
    private var ears: Ears?

    init(_ offer: Offer, of bundle: ModelBundle) {
        self.offer = offer
        self.bundle = bundle
    }

    /// Loads the artifact, anew even where it was loaded: from the file to ready, in milliseconds.
    @discardableResult
    func load() throws -> Double {
        runner = nil
        var watch = Stopwatch()
        runner = try offer.runtime.load(offer.artifact, at: try bundle.files.place(offer.artifact.file))
        return watch.lap()
    }

    func classify(_ pixels: Pixels) throws -> Answer {
        let runner = try loaded()
        var watch = Stopwatch()
        let input = try tensor(of: pixels)
        let preprocessMs = watch.lap()
        let outputs = try runner.run([input])
        let modelMs = watch.lap()
        let scores = try MobileKitRuntime.classify(outputs, labels: bundle.labels)
        return Answer(scores: scores, preprocessMs: preprocessMs, modelMs: modelMs)
    }

    /// Samples at the model's rate -> the newest answer; nil while there is none.
    func hear(_ samples: [Float]) throws -> Heard? {
        let runner = try loaded()
        var ears = try self.ears ?? Ears(bundle)
        defer { self.ears = ears }
        return try ears.hear(samples, runner: runner)
    }

    func golden(_ sample: GoldenSample) throws -> [StageResult] {
        try GoldenCheck.run(
            sample, of: bundle, artifact: offer.artifact, runner: try loaded(), decode: ImageDecoder.pixels(_:upright:)
        )
    }

    /// Times the artifact on a picture, or on its golden or zero input where it takes no pictures.
    func benchmark(_ pixels: Pixels?, warmup: Int, runs: Int) throws -> BenchmarkResult {
        let inputs = try benchmarkInputs(pixels)
        runner = nil
        let before = Memory.footprint()
        let loadMs = try load()
        let runner = try loaded()
        var peak = Memory.footprint()
        var timings: [Double] = []
        for turn in 0..<(warmup + runs) {
            try Task.checkCancellation()
            // Else what Core ML releases at its leisure piles up over the runs and counts as the model's memory.
            let milliseconds = try autoreleasepool {
                var watch = Stopwatch()
                _ = try runner.run(inputs)
                return watch.lap()
            }
            if turn >= warmup {
                timings.append(milliseconds)
            }
            peak = [peak, Memory.footprint()].compactMap { $0 }.max()
        }
        guard let summary = TimingSummary(timings) else { throw RunnerError("no runs were asked for") }
        var above: Int?
        if let peak, let before {
            above = max(0, peak - before)
        }
        return BenchmarkResult(
            offer.artifact, timings: summary, threads: DeviceInfo.performanceCores, warmup: warmup, loadMs: loadMs,
            peakMemoryBytes: above
        )
    }

    private func loaded() throws -> any ModelRunner {
        if let runner { return runner }
        try load()
        guard let runner else { throw RunnerError("\(offer.artifact.file) is not loaded") }
        return runner
    }

    private func tensor(of pixels: Pixels) throws -> Tensor {
        guard case .image(let spec)? = bundle.manifest.preprocess else {
            throw InputError("this model takes no pictures")
        }
        let preprocessor = try self.preprocessor ?? ImagePreprocessor(spec)
        self.preprocessor = preprocessor
        return try preprocessor.tensor(pixels)
    }

    private func benchmarkInputs(_ pixels: Pixels?) throws -> [Tensor] {
        if let pixels, case .image? = bundle.manifest.preprocess {
            return [try tensor(of: pixels)]
        }
        if bundle.manifest.stream == nil, let sample = bundle.manifest.golden.first {
            return try sample.inputs.map { try bundle.golden($0) }
        }
        return try bundle.manifest.inputs.map { spec in
            try Tensor.filled(name: spec.name, dtype: spec.dtype, shape: spec.sized, value: 0)
        }
    }
}
