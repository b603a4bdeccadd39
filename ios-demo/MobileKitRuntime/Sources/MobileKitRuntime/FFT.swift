/// FFT: the power spectrum of a frame in float64, by a radix-2 transform of any power of two. Float32 would not do:
/// its rounding noise shows in quiet bins after the logarithm.
import Foundation

struct PowerSpectrum: Sendable {
    let size: Int
    private let cosines: [Double]
    private let sines: [Double]
    private let reversed: [Int]

    /// `size` is a power of two, 2 or more.
    init(size: Int) {
        precondition(size >= 2 && size & (size - 1) == 0, "an FFT's size is a power of two")
        self.size = size
        let angles = (0..<(size / 2)).map { 2 * Double.pi * Double($0) / Double(size) }
        cosines = angles.map { cos($0) }
        sines = angles.map { sin($0) }
        var order = [Int](repeating: 0, count: size)
        for i in 1..<size {
            order[i] = order[i >> 1] >> 1 | (i & 1 == 0 ? 0 : size >> 1)
        }
        reversed = order
    }

    /// re² + im² of the bins 0 to size / 2 of `frame`, with zeros after it up to `size`.
    func power(of frame: [Double]) -> [Double] {
        var re = [Double](repeating: 0, count: size)
        var im = [Double](repeating: 0, count: size)
        for (index, value) in frame.enumerated() {
            re[reversed[index]] = value
        }
        var half = 1
        while half < size {
            let stride = size / (2 * half)
            var start = 0
            while start < size {
                for k in 0..<half {
                    let (c, s) = (cosines[k * stride], sines[k * stride])
                    let (a, b) = (start + k, start + k + half)
                    let real = re[b] * c + im[b] * s
                    let imaginary = im[b] * c - re[b] * s
                    re[b] = re[a] - real
                    im[b] = im[a] - imaginary
                    re[a] += real
                    im[a] += imaginary
                }
                start += 2 * half
            }
            half *= 2
        }
        return (0...(size / 2)).map { re[$0] * re[$0] + im[$0] * im[$0] }
    }
}
