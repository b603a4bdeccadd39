/// The golden check itself: it passes what is right, and shows at which stage something is wrong.
import Foundation
import MobileKitRuntime
import XCTest

final class GoldenCheckTests: XCTestCase {
    func testPassesWhatIsRight() throws {
        let bundle = try Fixture.bundle()
        let results = try run(bundle)
        XCTAssertEqual(results.map(\.stage), [.decode, .preprocess, .outputs, .label])
        XCTAssertTrue(results.allSatisfy(\.passed), "\(results)")
        XCTAssertEqual(results[1].distance, 0)
    }

    func testWrongPreprocessingFailsAtItsStage() throws {
        let wrong = [
            ("\"antialias\": true", "\"antialias\": false"),
            ("\"color\": \"RGB\"", "\"color\": \"BGR\""),
            ("\"mean\": []", "\"mean\": [0.01, 0.0, 0.0]"),
            ("\"interpolation\": \"bilinear\"", "\"interpolation\": \"bicubic\""),
            ("\"layout\": \"NCHW\"", "\"layout\": \"NHWC\""),
        ]
        for (right, changed) in wrong {
            let folder = try Fixture.copiedBundle()
            defer { try? FileManager.default.removeItem(at: folder) }
            let url = folder.appendingPathComponent("bundle.json")
            let text = try String(contentsOf: url, encoding: .utf8)
            XCTAssertTrue(text.contains(right), right)
            try text.replacingOccurrences(of: right, with: changed).write(to: url, atomically: true, encoding: .utf8)
            let results = try run(try ModelBundle.open(FolderFiles(folder)))
            XCTAssertEqual(results.filter { !$0.passed }.map(\.stage), [.preprocess], changed)
        }
    }

    func testOutputsThatAreOffFail() throws {
        let bundle = try Fixture.bundle()
        let results = try run(bundle) { values in
            var changed = values
            changed[0] += 0.5
            return changed
        }
        XCTAssertEqual(results.first { $0.stage == .outputs }?.passed, false)
    }

    func testARunnerThatThrowsIsAResult() throws {
        let bundle = try Fixture.bundle()
        let runner = ClosureRunner { _ in throw RunnerError("the delegate is missing") }
        let results = try GoldenCheck.run(bundle, artifact: try xnnpack(bundle), runner: runner)
        let outputs = try XCTUnwrap(results.first { $0.stage == .outputs })
        XCTAssertFalse(outputs.passed)
        XCTAssertEqual(outputs.detail, "the delegate is missing")
    }

    func testAnotherPictureFailsAtDecoding() throws {
        let bundle = try Fixture.bundle()
        let black = try Pixels(width: 23, height: 17, bytes: [UInt8](repeating: 0, count: 1173))
        let results = try GoldenCheck.run(bundle, artifact: try xnnpack(bundle), runner: nil) { _, _ in black }
        XCTAssertEqual(results.map(\.stage), [.decode, .preprocess])
        XCTAssertEqual(results.map(\.passed), [false, true])
    }

    /// The golden outputs, changed or not, in place of a model's.
    private func run(_ bundle: ModelBundle, change: ([Float]) -> [Float] = { $0 }) throws -> [StageResult] {
        let artifact = try xnnpack(bundle)
        let sample = try XCTUnwrap(bundle.manifest.golden.first)
        let golden = try XCTUnwrap(
            sample.outputs.first { $0.target == artifact.target && $0.scheme == artifact.scheme }
        )
        let output = try bundle.golden(golden.outputs[0])
        let answer = try Tensor(name: "scores", shape: output.shape, floats: change(try output.floats()))
        let stored = try bundle.golden(try XCTUnwrap(sample.pixels))
        let pixels = try Pixels(width: stored.shape[1], height: stored.shape[0], bytes: [UInt8](stored.data))
        let runner = ClosureRunner { _ in [answer] }
        return try GoldenCheck.run(bundle, artifact: artifact, runner: runner) { _, _ in pixels }
    }

    private func xnnpack(_ bundle: ModelBundle) throws -> Artifact {
        try XCTUnwrap(bundle.artifacts(for: ["executorch"]).first)
    }
}
