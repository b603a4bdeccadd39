/// ResampleSound: sound from one sampling rate to another by a windowed sinc: docs/audio-preprocessing.md, step 3.
/// Refuses rates whose ratio is no quotient of small whole numbers, for which the table of weights would be large.
import Foundation

/// `sound` at `rate` Hz -> ceil(n * to / rate) samples at `to` Hz, or the first `most` of these. Beyond its ends the
/// sound is taken as 0; equal rates give the sound itself.
public func resampleSound(_ sound: [Double], rate: Int, to: Int, name: String, most: Int? = nil) throws -> [Double] {
    guard rate > 0, to > 0 else { throw InputError("\(name): a rate must be above 0 Hz") }
    let divisor = greatestCommonDivisor(rate, to)
    let step = rate / divisor
    let phases = to / divisor
    var length = (sound.count * phases + step - 1) / step
    if let most { length = min(length, most) }
    if step == phases { return Array(sound.prefix(length)) }
    guard phases <= 1000 else {
        throw InputError(
            "\(name): \(rate) Hz is in no simple ratio to the model's \(to) Hz",
            hint: "save it at \(to) Hz: ffmpeg -i FILE -ar \(to) NEW.wav"
        )
    }
    let table = SincTable(step: step, phases: phases)
    var output: [Double] = []
    output.reserveCapacity(length)
    for n in 0..<length {
        output.append(table.value(of: n, in: sound))
    }
    return output
}

private func greatestCommonDivisor(_ one: Int, _ other: Int) -> Int {
    var (a, b) = (one, other)
    while b != 0 {
        (a, b) = (b, a % b)
    }
    return a
}

/// What input floor(t) + tap - reach counts in output n, which lies at t = n * step / phases. Outputs n and n + phases
/// have the same weights.
private struct SincTable {
    let step: Int
    let phases: Int
    /// Taps to either side.
    let side: Int
    /// For each phase its 2 * side + 1 weights.
    let weights: [Double]

    init(step: Int, phases: Int) {
        let cutoff = 0.95 * min(1.0, Double(phases) / Double(step))
        let reach = 32.0 / cutoff
        let side = Int(reach.rounded(.up))
        var weights: [Double] = []
        weights.reserveCapacity(phases * (2 * side + 1))
        for n in 0..<phases {
            let fraction = Double(n * step % phases) / Double(phases)
            for tap in -side...side {
                let d = Double(tap) - fraction
                weights.append(SincTable.weight(d, cutoff: cutoff, reach: reach))
            }
        }
        self.step = step
        self.phases = phases
        self.side = side
        self.weights = weights
    }

    func value(of n: Int, in sound: [Double]) -> Double {
        let whole = n * step / phases
        let row = (n % phases) * (2 * side + 1)
        var total = 0.0
        for k in max(0, whole - side)..<max(0, min(sound.count, whole + side + 1)) {
            total += weights[row + k - whole + side] * sound[k]
        }
        return total
    }

    private static func weight(_ d: Double, cutoff: Double, reach: Double) -> Double {
        guard abs(d) < reach else { return 0 }
        let x = cutoff * d * Double.pi
        let sinc = x == 0 ? 1.0 : sin(x) / x
        let window = cos(Double.pi * d / (2 * reach))
        return cutoff * sinc * window * window
    }
}
