/// Whether a runtime takes an artifact, before anything is loaded.
import Foundation
import MobileKitRuntime
import XCTest

private struct FakeRuntime: Runtime {
    var name = "executorch"
    var version = "1.5.1"
    var backends: Set<String> = ["XnnpackBackend"]
    var namespaces: Set<String> = ["aten"]

    func hasOperator(_ name: String) -> Bool {
        namespaces.contains(name.components(separatedBy: "::")[0])
    }

    func load(_ artifact: Artifact, at url: URL) throws -> any ModelRunner {
        throw RunnerError("nothing is loaded in this test")
    }
}

final class RuntimeTests: XCTestCase {
    func testWhatFitsHasNoProblems() throws {
        XCTAssertEqual(requirements(try int8(), runtime: FakeRuntime()), [])
    }

    func testEachThingThatIsInTheWay() throws {
        let older = requirements(try int8(), runtime: FakeRuntime(version: "1.4.9"))
        XCTAssertEqual(older.count, 1)
        XCTAssertTrue(older[0].message.contains("needs executorch 1.5.1 or later, and this app has 1.4.9"))
        let bare = requirements(try int8(), runtime: FakeRuntime(backends: [], namespaces: []))
        XCTAssertEqual(bare.count, 2)
        XCTAssertTrue(bare[0].message.contains("XnnpackBackend"))
        XCTAssertTrue(bare[1].message.contains("aten::mean.out"))
        XCTAssertEqual(requirements(try int8(), runtime: FakeRuntime(name: "coreml")).count, 1)
    }

    func testVersions() {
        XCTAssertEqual(compareVersions("1.5.1", "1.5.1"), 0)
        XCTAssertEqual(compareVersions("1.5", "1.5.0"), 0)
        XCTAssertLessThan(compareVersions("1.9.0", "1.10.0"), 0)
        XCTAssertGreaterThan(compareVersions("iOS17.4", "iOS17"), 0)
        XCTAssertLessThan(compareVersions("iOS17.4", "iOS18"), 0)
        XCTAssertEqual(compareVersions("1.5.1rc1", "1.5.1"), 0)
        XCTAssertEqual(compareVersions("", ""), 0)
    }

    private func int8() throws -> Artifact {
        let artifacts = try Fixture.bundle().manifest.artifacts
        return try XCTUnwrap(artifacts.first { $0.target == "xnnpack" && $0.scheme == "int8" })
    }
}
