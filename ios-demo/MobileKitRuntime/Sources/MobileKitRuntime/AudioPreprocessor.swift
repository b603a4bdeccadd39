/// AudioPreprocessor: a WAV file or samples -> waveform -> log-mel features, as docs/audio-preprocessing.md states it.
/// Inside everything is float64; the waveform and the features are rounded to float32 once.
import Foundation

public struct AudioPreprocessor: Sendable {
    public let spec: AudioSpec
    let spectrum: PowerSpectrum
    let filters: MelFilters
    let window: [Double]

    /// Throws `BundleError` for choices that contradict each other.
    public init(_ spec: AudioSpec) throws {
        if let problem = spec.contradiction {
            throw BundleError("preprocess: \(problem)", hint: "export the model again")
        }
        self.spec = spec
        spectrum = PowerSpectrum(size: spec.fftSize)
        filters = try MelFilters(spec)
        let a = spec.window == .hann ? 0.5 : 0.54
        let turn = 2 * Double.pi / Double(spec.windowSamples)
        window = (0..<spec.windowSamples).map { a - (1 - a) * cos(turn * Double($0)) }
    }

    /// Steps 1 to 4: a WAV file -> float32 (`clipSamples`): mono, at the model's rate, cut or padded with 0.
    public func waveform(_ wav: Wav, name: String) throws -> [Float] {
        // A second more than the clip: what the low-pass reaches into beyond it is far less.
        let longest = (spec.clipSamples / spec.sampleRate + 2) * wav.rate
        let mono = Array(wav.mono.prefix(longest))
        let sound = try resampleSound(
            mono, rate: wav.rate, to: spec.sampleRate, name: name, most: spec.clipSamples
        )
        let waveform = clip(sound.map { Float($0) })
        guard waveform.allSatisfy({ $0.isFinite }) else {
            throw InputError("\(name): its samples are beyond float32", hint: "floats of -1 to 1 are usual")
        }
        return waveform
    }

    /// The first `clipSamples`, and zeros after them where they are too few.
    public func clip(_ samples: [Float]) -> [Float] {
        let kept = samples.prefix(spec.clipSamples)
        return Array(kept) + [Float](repeating: 0, count: spec.clipSamples - kept.count)
    }

    /// Steps 5 to 9: samples at the model's rate -> float32 (1, frames, mels).
    public func tensor(_ waveform: [Float], name: String = "features") throws -> Tensor {
        guard waveform.count >= spec.windowSamples else {
            throw InputError("\(name): \(waveform.count) samples are less than one window (\(spec.windowSamples))")
        }
        guard waveform.allSatisfy({ $0.isFinite }) else {
            throw InputError("\(name): the waveform holds NaN or infinity")
        }
        var stream = AudioStream(self)
        let frames = stream.push(waveform)
        return try Tensor(name: name, shape: [1, frames.count, spec.mels], floats: frames.flatMap { $0 })
    }

    /// One frame of `windowSamples` -> its `mels` features.
    func features(_ frame: ArraySlice<Double>) -> [Float] {
        let windowed = zip(frame, window).map { $0 * $1 }
        let bands = filters.bands(spectrum.power(of: windowed))
        return bands.enumerated().map { index, band in
            let floored = max(band, spec.logFloor) + spec.logOffset
            let logarithm = spec.log == .ln ? log(floored) : log10(floored)
            let mean = value(spec.mean, index, otherwise: 0)
            let std = value(spec.std, index, otherwise: 1)
            return Float((logarithm - mean) / std)
        }
    }

    private func value(_ values: [Double], _ index: Int, otherwise: Double) -> Double {
        values.isEmpty ? otherwise : values[values.count == 1 ? 0 : index]
    }
}

/// Features of sound that comes piece by piece: the same bits as for all of it at once.
public struct AudioStream: Sendable {
    private let preprocessor: AudioPreprocessor
    private var sampleBefore = 0.0
    private var kept: [Double] = []

    public init(_ preprocessor: AudioPreprocessor) {
        self.preprocessor = preprocessor
    }

    /// Samples at the model's rate, any number of them -> the frames that these complete, of `mels` features each.
    public mutating func push(_ samples: [Float]) -> [[Float]] {
        let spec = preprocessor.spec
        for sample in samples {
            let value = Double(sample)
            kept.append(spec.preemphasis == 0 ? value : value - spec.preemphasis * sampleBefore)
            sampleBefore = value
        }
        var frames: [[Float]] = []
        var start = 0
        while kept.count - start >= spec.windowSamples {
            frames.append(preprocessor.features(kept[start..<(start + spec.windowSamples)]))
            start += spec.hopSamples
        }
        kept.removeFirst(start)
        return frames
    }

    /// As if no sound had come yet.
    public mutating func reset() {
        sampleBefore = 0
        kept.removeAll(keepingCapacity: true)
    }
}
