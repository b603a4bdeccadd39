/// Windows: for each output position along one side of an image, its inputs and their fixed-point weights.
/// docs/preprocessing.md, step 4, has the same in words. Weights are float64 until they are rounded, in its order.
import Foundation

struct Windows {
    /// Fraction bits of a weight: 32, less 8 for the pixel and 2 for sums below 0 and above 1.
    static let precisionBits: Int32 = 22

    /// The longest window; `weights` has this many entries for each output, 0 beyond a window's end.
    let taps: Int
    let first: [Int]
    let count: [Int]
    let weights: [Int32]

    /// `source` inputs become `size` outputs. `nearest` has no windows.
    init(source: Int, size: Int, interpolation: ImageSpec.Interpolation, antialias: Bool) {
        let scale = Double(source) / Double(size)
        let stretch = antialias ? max(scale, 1.0) : 1.0
        let support = Windows.reach(of: interpolation) * stretch
        let inverse = 1.0 / stretch
        var first: [Int] = []
        var rows: [[Double]] = []
        for i in 0..<size {
            let center = (Double(i) + 0.5) * scale
            let from = max(Int(center - support + 0.5), 0)
            let after = min(Int(center + support + 0.5), source)
            var row: [Double] = []
            var total = 0.0
            for j in from..<max(after, from) {
                let weight = Windows.weight(interpolation, at: (Double(j) - center + 0.5) * inverse)
                row.append(weight)
                total += weight
            }
            first.append(from)
            rows.append(total != 0 ? row.map { $0 / total } : row)
        }
        let taps = rows.map(\.count).max() ?? 0
        var weights = [Int32](repeating: 0, count: taps * size)
        for (i, row) in rows.enumerated() {
            for (k, weight) in row.enumerated() {
                weights[i * taps + k] = Windows.rounded(weight)
            }
        }
        self.taps = taps
        self.first = first
        self.count = rows.map(\.count)
        self.weights = weights
    }

    /// The inputs that any output looks at.
    func used(of source: Int) -> [Bool] {
        var used = [Bool](repeating: false, count: source)
        for (from, length) in zip(first, count) {
            for j in from..<(from + length) {
                used[j] = true
            }
        }
        return used
    }

    /// For each of `size` outputs the input that `nearest` copies: by repeated addition, as Pillow does it.
    static func nearest(source: Int, size: Int) -> [Int] {
        let scale = Double(source) / Double(size)
        var position = scale * 0.5
        var found: [Int] = []
        for _ in 0..<size {
            found.append(min(Int(position), source - 1))
            position += scale
        }
        return found
    }

    /// Halves away from zero.
    private static func rounded(_ weight: Double) -> Int32 {
        let scaled = weight * 4_194_304
        return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
    }

    /// How far a filter reaches from its centre, in pixels of the coarser side.
    private static func reach(of interpolation: ImageSpec.Interpolation) -> Double {
        switch interpolation {
        case .nearest, .box: return 0.5
        case .bilinear, .hamming: return 1
        case .bicubic: return 2
        case .lanczos: return 3
        }
    }

    private static func weight(_ interpolation: ImageSpec.Interpolation, at x: Double) -> Double {
        switch interpolation {
        case .nearest, .box: return x > -0.5 && x <= 0.5 ? 1 : 0
        case .bilinear: return max(1 - abs(x), 0)
        case .hamming: return hamming(abs(x))
        case .bicubic: return bicubic(abs(x))
        case .lanczos: return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0
        }
    }

    private static func sinc(_ x: Double) -> Double {
        let angle = x * Double.pi
        return angle == 0 ? 1 : sin(angle) / angle
    }

    private static func hamming(_ x: Double) -> Double {
        guard x < 1 else { return 0 }
        // Pillow writes 0.54f and 0.46f: the nearest float32 numbers, used in float64.
        let a = Double(Float(0.54))
        let b = Double(Float(0.46))
        return sinc(x) * (a + b * cos(x * Double.pi))
    }

    private static func bicubic(_ x: Double) -> Double {
        if x < 1 {
            return (1.5 * x - 2.5) * x * x + 1
        }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0
    }
}
