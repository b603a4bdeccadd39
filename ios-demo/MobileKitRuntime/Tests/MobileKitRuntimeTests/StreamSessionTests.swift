/// A streaming model's calls: pieces in order, states handed on, and back to the beginning.
import Foundation
import MobileKitRuntime
import XCTest

private struct Streaming: Decodable {
    let inputs: [TensorSpec]
    let outputs: [TensorSpec]
    let stream: StreamEntry
}

final class StreamSessionTests: XCTestCase {
    func testStatesAreHandedFromCallToCall() throws {
        let fixture = try Fixture.decode(Streaming.self, "stream.json")
        var session = try StreamSession(fixture.stream, inputs: fixture.inputs, outputs: fixture.outputs)
        let runner = ClosureRunner { inputs in try StreamSessionTests.summed(inputs) }
        let whole = try Tensor(name: "features", shape: [1, 6, 2], floats: (0..<12).map { Float($0) })
        for _ in 0..<2 {
            let calls = try session.callAll([whole], runner: runner)
            XCTAssertEqual(try calls.map { try $0[0].floats() }, [[6.5], [28.5], [66.5]])
            XCTAssertEqual(calls.map { $0.map(\.name) }, [["logits"], ["logits"], ["logits"]])
        }
        XCTAssertEqual(runner.calls, 6)
    }

    func testRefusesStatesThatAreNotThere() throws {
        let fixture = try Fixture.decode(Streaming.self, "stream.json")
        XCTAssertThrowsError(try StreamSession(fixture.stream, inputs: fixture.inputs, outputs: []))
    }

    func testRefusesAPieceThatIsMissing() throws {
        let fixture = try Fixture.decode(Streaming.self, "stream.json")
        var session = try StreamSession(fixture.stream, inputs: fixture.inputs, outputs: fixture.outputs)
        XCTAssertThrowsError(try session.call([:], runner: ClosureRunner { $0 }))
    }

    /// The sum of all values so far, as answer and as state.
    private static func summed(_ inputs: [Tensor]) throws -> [Tensor] {
        let total = try inputs.map { try $0.floats().reduce(0, +) }.reduce(0, +)
        let answer = try Tensor(name: "logits", shape: [1, 1], floats: [total])
        return [answer, try Tensor(name: "next_hidden", shape: [1, 1], floats: [total])]
    }
}
