/// The contract: a bundle opens, and one that was changed is refused in words for people.
import Foundation
import MobileKitRuntime
import XCTest

final class ModelBundleTests: XCTestCase {
    private var folder = URL(fileURLWithPath: "/")

    override func setUpWithError() throws {
        folder = try Fixture.copiedBundle()
    }

    override func tearDownWithError() throws {
        try FileManager.default.removeItem(at: folder)
    }

    func testReadsTheManifest() throws {
        let bundle = try Fixture.bundle()
        XCTAssertEqual(bundle.manifest.schemaVersion, Manifest.schemaVersion)
        XCTAssertEqual(bundle.manifest.model.name, "tiny")
        XCTAssertTrue(bundle.manifest.model.isClassifier)
        XCTAssertEqual(bundle.labels?.names, ["red", "green", "blau, grün"])
        XCTAssertEqual(bundle.manifest.inputs.first?.sized, [1, 3, 4, 4])
        XCTAssertEqual(bundle.manifest.inputs.first?.shape.first, .named("batch"))
        XCTAssertEqual(bundle.sha256, Sha256.hex(of: try Fixture.data("bundle/bundle.json")))
    }

    func testOffersWhatLiesThereForItsRuntimes() throws {
        let bundle = try Fixture.bundle()
        let names = bundle.artifacts(for: ["executorch", "coreml"]).map { "\($0.target) \($0.scheme)" }
        XCTAssertEqual(names, ["xnnpack fp32", "xnnpack int8", "coreml fp16"])
        XCTAssertFalse(bundle.artifacts().contains { $0.target == "eager" }, "the reference stays on the desk")
    }

    func testArtifactsOfOthersMayStayAtHome() throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent("tiny.onnx.int8.onnx"))
        try FileManager.default.removeItem(at: folder.appendingPathComponent("tiny.xnnpack.int8.pte"))
        let bundle = try ModelBundle.open(FolderFiles(folder))
        XCTAssertEqual(bundle.artifacts(for: ["executorch"]).map(\.scheme), ["fp32"])
    }

    func testRefusesAChangedByte() throws {
        let url = folder.appendingPathComponent("tiny.xnnpack.int8.pte")
        var data = try Data(contentsOf: url)
        data[data.startIndex] ^= 1
        try data.write(to: url)
        try expectRefusal(of: "tiny.xnnpack.int8.pte: its content has changed")
        XCTAssertNoThrow(try ModelBundle.open(FolderFiles(folder), check: false))
    }

    func testRefusesAnotherLength() throws {
        try Data("red\n".utf8).write(to: folder.appendingPathComponent("labels.txt"))
        try expectRefusal(of: "labels.txt: has 4 bytes, bundle.json says 22")
    }

    func testRefusesAMissingGoldenFile() throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent("golden/s0.pixels.bin"))
        try expectRefusal(of: "golden/s0.pixels.bin: missing")
    }

    func testRefusesAFileMoreInsideAFolder() throws {
        let place = folder.appendingPathComponent("tiny.coreml.fp16.mlpackage")
        try Data("x".utf8).write(to: place.appendingPathComponent("stray"))
        try expectRefusal(of: "tiny.coreml.fp16.mlpackage: has")
    }

    func testRefusesALink() throws {
        let labels = folder.appendingPathComponent("labels.txt")
        let elsewhere = folder.appendingPathComponent("elsewhere.txt")
        try FileManager.default.moveItem(at: labels, to: elsewhere)
        try FileManager.default.createSymbolicLink(at: labels, withDestinationURL: elsewhere)
        XCTAssertThrowsError(try ModelBundle.open(FolderFiles(folder)))
    }

    func testRefusesAHigherSchemaVersion() throws {
        try rewrite("\"schema_version\": 1", as: "\"schema_version\": 2")
        try expectRefusal(of: "written in schema version 2; this app reads 1")
    }

    func testNamesTheFieldThatIsWrong() throws {
        try rewrite("\"minimum_runtime\": \"1.14\"", as: "\"minimum_runtime\": 1.14")
        try expectRefusal(of: "artifacts[3].minimum_runtime")
    }

    func testIgnoresFieldsThatItDoesNotKnow() throws {
        try rewrite("\"schema_version\": 1,", as: "\"schema_version\": 1, \"of_tomorrow\": {\"a\": [1]},")
        XCTAssertNoThrow(try ModelBundle.open(FolderFiles(folder)))
    }

    func testRefusesWhatIsNoBundle() throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent("bundle.json"))
        try expectRefusal(of: "holds no bundle.json")
        try Data("{".utf8).write(to: folder.appendingPathComponent("bundle.json"))
        try expectRefusal(of: "bundle.json")
    }

    func testRefusesPathsThatLeaveTheBundle() {
        let files = FolderFiles(folder)
        for path in ["../secret", "/etc/passwd", "golden/../../x", "", "a//b", ".hidden", "golden/.hidden"] {
            XCTAssertThrowsError(try files.open(path), path)
            XCTAssertFalse(files.exists(path), path)
        }
    }

    private func rewrite(_ old: String, as new: String) throws {
        let url = folder.appendingPathComponent("bundle.json")
        let text = try String(contentsOf: url, encoding: .utf8)
        XCTAssertTrue(text.contains(old), old)
        try text.replacingOccurrences(of: old, with: new).write(to: url, atomically: true, encoding: .utf8)
    }

    private func expectRefusal(of words: String, file: StaticString = #filePath, line: UInt = #line) throws {
        XCTAssertThrowsError(try ModelBundle.open(FolderFiles(folder)), file: file, line: line) { error in
            guard let refusal = error as? BundleError else {
                return XCTFail("another error: \(error)", file: file, line: line)
            }
            XCTAssertTrue(refusal.message.contains(words), refusal.message, file: file, line: line)
        }
    }
}
