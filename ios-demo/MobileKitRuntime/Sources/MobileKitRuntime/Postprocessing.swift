/// Postprocessing: a classifier's outputs -> probabilities, the best classes, their names. Refuses values that are
/// not finite.
import Foundation

/// Names of the classes; class i is line i of the file.
public struct Labels: Sendable, Equatable {
    public let names: [String]

    public init(names: [String]) {
        self.names = names
    }

    /// UTF-8, one name a line, lines end in LF.
    public init(data: Data, name: String) throws {
        guard let text = String(data: data, encoding: .utf8) else {
            throw BundleError("\(name): is not UTF-8 text", hint: "embed the bundle again")
        }
        var lines = text.isEmpty ? [] : text.components(separatedBy: "\n")
        if lines.last == "" {
            lines.removeLast()
        }
        self.init(names: lines)
    }

    /// The name of a class; its number where it has none.
    public subscript(index: Int) -> String {
        names.indices.contains(index) ? names[index] : "class \(index)"
    }
}

/// A class and how sure the model is of it.
public struct Score: Sendable, Equatable, Identifiable {
    public let index: Int
    public let label: String
    public let probability: Double

    public var id: Int { index }

    public init(index: Int, label: String, probability: Double) {
        self.index = index
        self.label = label
        self.probability = probability
    }
}

/// Values that sum to 1, in the same order; the largest value is taken off first, so that nothing overflows.
public func softmax(_ logits: [Double]) -> [Double] {
    guard let largest = logits.max() else { return [] }
    let exponentials = logits.map { exp($0 - largest) }
    let total = exponentials.reduce(0, +)
    return exponentials.map { $0 / total }
}

/// The `count` largest probabilities, largest first; of equal ones the lower class first.
public func topK(_ probabilities: [Double], count: Int, labels: Labels?) -> [Score] {
    let order = probabilities.indices.sorted { left, right in
        let (one, other) = (probabilities[left], probabilities[right])
        return one == other ? left < right : one > other
    }
    return order.prefix(max(0, count)).map { index in
        Score(index: index, label: labels?[index] ?? "class \(index)", probability: probabilities[index])
    }
}

/// Where the largest value lies; of equal ones the first. Nil for no values.
public func argmax(_ values: [Double]) -> Int? {
    guard var best = values.indices.first else { return nil }
    for index in values.indices where values[index] > values[best] {
        best = index
    }
    return best
}

/// The best classes of a classifier's first output, for one sample.
public func classify(_ outputs: [Tensor], labels: Labels?, count: Int = 5) throws -> [Score] {
    guard let logits = outputs.first?.values(), !logits.isEmpty else {
        throw RunnerError("the model gave no output")
    }
    guard logits.allSatisfy({ $0.isFinite }) else {
        throw RunnerError("the model gave values that are not finite", hint: "run the golden check")
    }
    return topK(softmax(logits), count: count, labels: labels)
}
