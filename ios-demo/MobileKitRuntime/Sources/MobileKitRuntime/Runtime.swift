/// Runtime: what executes artifacts, and whether it can execute this one. Looks at no file; the app brings the
/// runtimes.
import Foundation

/// A loaded artifact. Not for two threads at once.
public protocol ModelRunner: AnyObject {
    /// The outputs for these inputs, both in the artifact's order. Outputs are in memory of their own: a later call
    /// does not change them. Throws `RunnerError` in the runtime's own words.
    func run(_ inputs: [Tensor]) throws -> [Tensor]
}

/// What an app was built with: what `requirements` compares with an artifact's needs.
public protocol Runtime: Sendable {
    /// As in bundle.json: `executorch`, `coreml`.
    var name: String { get }
    /// For example `1.5.1`, or `iOS17.4` for Core ML, whose version is the system's.
    var version: String { get }
    /// For example `XnnpackBackend`.
    var backends: Set<String> { get }
    /// Whether an operator such as `aten::mean.out` is registered.
    func hasOperator(_ name: String) -> Bool
    /// Loads the artifact that lies at `url`. Throws `RunnerError`.
    func load(_ artifact: Artifact, at url: URL) throws -> any ModelRunner
}

/// Something that is in the way, in words for people.
public struct Problem: Sendable, Equatable, Hashable {
    public let message: String
    public let hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// Why `artifact` cannot run in `runtime`: all reasons, none where it can.
public func requirements(_ artifact: Artifact, runtime: any Runtime) -> [Problem] {
    guard artifact.runtime == runtime.name else {
        return [
            Problem(
                "\(artifact.file) is for \(artifact.runtime), not for \(runtime.name)",
                hint: "embed an artifact for \(runtime.name)"
            ),
        ]
    }
    var problems: [Problem] = []
    if compareVersions(runtime.version, artifact.minimumRuntime) < 0 {
        problems.append(
            Problem(
                "\(artifact.file) needs \(runtime.name) \(artifact.minimumRuntime) or later, "
                    + "and this app has \(runtime.version)",
                hint: "raise the version in project.yml (Core ML: update iOS), or export with an older one"
            )
        )
    }
    let backends = artifact.backends.filter { !runtime.backends.contains($0) }
    if !backends.isEmpty {
        problems.append(
            Problem(
                "\(artifact.file) needs \(backends.joined(separator: ", ")), "
                    + "which this app's \(runtime.name) was built without",
                hint: "link the backend's product in project.yml, or embed another artifact"
            )
        )
    }
    let operators = artifact.operators.filter { !runtime.hasOperator($0) }
    if !operators.isEmpty {
        problems.append(
            Problem(
                "\(artifact.file) needs \(operators.joined(separator: ", ")), "
                    + "which this app's \(runtime.name) does not register",
                hint: "link the kernels' product in project.yml, or export for the backend alone"
            )
        )
    }
    return problems
}

/// Below 0, 0 or above 0 as `one` is older, as old or newer than `other`: dotted numbers compared one by one, missing
/// ones being 0. Letters before them (`iOS17`) and what follows a number (`1.5.0rc1`) do not count.
public func compareVersions(_ one: String, _ other: String) -> Int {
    let (left, right) = (numbers(of: one), numbers(of: other))
    for index in 0..<max(left.count, right.count) {
        let first = index < left.count ? left[index] : 0
        let second = index < right.count ? right[index] : 0
        if first != second {
            return first < second ? -1 : 1
        }
    }
    return 0
}

private func numbers(of version: String) -> [Int] {
    var found: [Int] = []
    let start = version.drop(while: { !isDigit($0) })
    for part in start.split(separator: ".", omittingEmptySubsequences: false) {
        let digits = part.prefix(while: { isDigit($0) })
        guard let number = Int(digits.prefix(15)) else { break }
        found.append(number)
        if digits.count != part.count { break }
    }
    return found
}

private func isDigit(_ character: Character) -> Bool {
    character >= "0" && character <= "9"
}
