/// StreamSession: calls of a streaming model, each of which hands its state to the next: docs/streaming.md.
/// Refuses bundles whose states are not among the model's inputs and outputs.
import Foundation

public struct StreamSession {
    public let entry: StreamEntry
    private let inputs: [TensorSpec]
    private let outputs: [TensorSpec]
    private var states: [String: Tensor] = [:]

    /// `inputs` and `outputs` are the manifest's: those of one call.
    public init(_ entry: StreamEntry, inputs: [TensorSpec], outputs: [TensorSpec]) throws {
        for state in entry.states {
            let known = inputs.contains { $0.name == state.input } && outputs.contains { $0.name == state.output }
            guard known else {
                throw BundleError(
                    "stream: state \(state.input) -> \(state.output) is not among the inputs and outputs",
                    hint: "export the model again"
                )
            }
        }
        self.entry = entry
        self.inputs = inputs
        self.outputs = outputs
        try reset()
    }

    /// Back to the initial states: for a new utterance, and after a long silence.
    public mutating func reset() throws {
        states = [:]
        for state in entry.states {
            states[state.input] = try Tensor.filled(
                name: state.input, dtype: state.dtype, shape: state.shape, value: state.initial
            )
        }
    }

    /// One call: the inputs that are no state, by the manifest's names -> the outputs that are no state, in order.
    public mutating func call(_ given: [String: Tensor], runner: any ModelRunner) throws -> [Tensor] {
        let all = try inputs.map { spec -> Tensor in
            guard let tensor = states[spec.name] ?? given[spec.name] else {
                throw InputError("input \(spec.name) of the streaming model is missing")
            }
            return tensor
        }
        let answers = try runner.run(all)
        guard answers.count == outputs.count else {
            throw RunnerError("the model gave \(answers.count) outputs, \(outputs.count) expected")
        }
        var kept: [Tensor] = []
        for (spec, answer) in zip(outputs, answers) {
            if let state = entry.states.first(where: { $0.output == spec.name }) {
                states[state.input] = answer.named(state.input)
            } else {
                kept.append(answer.named(spec.name))
            }
        }
        return kept
    }

    /// A whole sample piece by piece from the initial states on: the outputs of every call.
    public mutating func callAll(_ whole: [Tensor], runner: any ModelRunner) throws -> [[Tensor]] {
        guard let cut = whole.first(where: { $0.name == entry.input }), cut.shape.indices.contains(entry.axis) else {
            throw InputError("input \(entry.input) of the streaming model is missing")
        }
        try reset()
        var calls: [[Tensor]] = []
        var given: [String: Tensor] = [:]
        for tensor in whole {
            given[tensor.name] = tensor
        }
        for start in stride(from: 0, through: cut.shape[entry.axis] - entry.frames, by: entry.frames) {
            given[entry.input] = try cut.slice(axis: entry.axis, start: start, count: entry.frames)
            calls.append(try call(given, runner: runner))
        }
        return calls
    }
}
