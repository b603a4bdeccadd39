/// Statistics: timings in milliseconds -> median, 90th percentile, minimum and interquartile range, as
/// `mobilekit bench` takes them: percentiles by linear interpolation.
import Foundation

public struct TimingSummary: Sendable, Equatable {
    public let n: Int
    public let medianMs: Double
    public let p90Ms: Double
    public let minMs: Double
    public let iqrMs: Double

    /// Nil for no timings.
    public init?(_ milliseconds: [Double]) {
        let sorted = milliseconds.sorted()
        guard let smallest = sorted.first else { return nil }
        n = sorted.count
        medianMs = percentile(sorted, 0.5)
        p90Ms = percentile(sorted, 0.9)
        minMs = smallest
        iqrMs = percentile(sorted, 0.75) - percentile(sorted, 0.25)
    }
}

/// Of sorted values that are not empty; `share` is 0 to 1.
private func percentile(_ sorted: [Double], _ share: Double) -> Double {
    let position = share * Double(sorted.count - 1)
    let below = Int(position)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (position - Double(below))
}
