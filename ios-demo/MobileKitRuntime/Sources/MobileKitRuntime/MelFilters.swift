/// MelFilters: triangles over the frequencies of the spectrum's bins, evenly spaced in mel:
/// docs/audio-preprocessing.md, step 8. Refuses filters that lie between two bins and so hear nothing.
import Foundation

struct MelFilters: Sendable {
    struct Filter: Sendable {
        /// The lowest bin with a weight above 0, and the weights from there on.
        let first: Int
        let weights: [Double]
    }

    let filters: [Filter]

    init(_ spec: AudioSpec) throws {
        let points = MelFilters.points(spec)
        let width = Double(spec.sampleRate) / Double(spec.fftSize)
        let frequencies = (0...(spec.fftSize / 2)).map { Double($0) * width }
        var filters: [Filter] = []
        for index in 0..<spec.mels {
            let (low, middle, high) = (points[index], points[index + 1], points[index + 2])
            let scale = spec.melNorm == .slaney ? 2.0 / (high - low) : 1.0
            var first: Int?
            var weights: [Double] = []
            for (bin, frequency) in frequencies.enumerated() {
                let weight = min((frequency - low) / (middle - low), (high - frequency) / (high - middle))
                guard weight > 0 else { continue }
                first = first ?? bin
                weights.append(weight * scale)
            }
            guard let lowest = first else {
                throw BundleError("preprocess: mel filter \(index) hears nothing", hint: "export the model again")
            }
            filters.append(Filter(first: lowest, weights: weights))
        }
        self.filters = filters
    }

    /// The sum of weight x power, from the lowest bin to the highest, for each filter.
    func bands(_ power: [Double]) -> [Double] {
        filters.map { filter in
            var total = 0.0
            for (offset, weight) in filter.weights.enumerated() {
                total += power[filter.first + offset] * weight
            }
            return total
        }
    }

    /// mels + 2 frequencies in Hz.
    private static func points(_ spec: AudioSpec) -> [Double] {
        let low = mel(spec.fmin, spec.melScale)
        let step = (mel(spec.fmax, spec.melScale) - low) / Double(spec.mels + 1)
        return (0..<(spec.mels + 2)).map { hz(low + Double($0) * step, spec.melScale) }
    }

    private static func mel(_ hz: Double, _ scale: AudioSpec.MelScale) -> Double {
        switch scale {
        case .htk: return 2595 * log10(1 + hz / 700)
        case .slaney: return hz < 1000 ? hz * 3 / 200 : 15 + log(hz / 1000) / (log(6.4) / 27)
        }
    }

    private static func hz(_ mel: Double, _ scale: AudioSpec.MelScale) -> Double {
        switch scale {
        case .htk: return 700 * (pow(10, mel / 2595) - 1)
        case .slaney: return mel < 15 ? mel * 200 / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15))
        }
    }
}
