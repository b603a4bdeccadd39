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

    func testRefusesInputsThatContradictEachOther() throws {
        try changeEach(of: "artifacts") { $0["inputs"] = [Any]() }
        try expectRefusal(of: "tiny.eager.fp32.pt2 has 0 inputs, the model 1")
        try changeEach(of: "artifacts") { $0["outputs"] = [Any]() }
        try expectRefusal(of: "tiny.eager.fp32.pt2 has no output")
        try changeEach(of: "golden") { $0["inputs"] = [Any]() }
        try expectRefusal(of: "golden sample s0 has no input")
    }

    func testRefusesAStreamThatCannotBeCut() throws {
        let stream: [String: Any] = ["input": "image", "axis": 1, "frames": 3, "states": [Any]()]
        for (field, value, words) in [("frames", 0, "frames must be 1"), ("axis", 4, "no axis 4"), ("axis", -1, "-1")] {
            try change { $0["stream"] = stream.merging([field: value]) { $1 } }
            try expectRefusal(of: words)
        }
        try change { $0["stream"] = stream.merging(["input": "other"]) { $1 } }
        try expectRefusal(of: "other is not among the inputs")
    }

    /// It opens and its samples are run, or it is refused in words; nothing ends the app.
    func testWhateverIsDoneToTheManifestIsABundleOrARefusal() throws {
        var chance = Chance(seed: 5)
        let tree = try manifest()
        var refused = 0
        let rounds = 600
        for round in 0..<rounds {
            try write(mutated(tree, &chance))
            do {
                let bundle = try ModelBundle.open(FolderFiles(folder), check: round.isMultiple(of: 10))
                for artifact in bundle.artifacts() {
                    let zeros = try artifact.outputs.map { spec -> Tensor in
                        let shape = spec.sized.map { min($0, 9) }
                        return try Tensor.filled(name: spec.name, dtype: spec.dtype, shape: shape, value: 0)
                    }
                    let grey = try Pixels(width: 23, height: 17, bytes: [UInt8](repeating: 99, count: 1173))
                    let runner = ClosureRunner { _ in zeros }
                    _ = try GoldenCheck.run(bundle, artifact: artifact, runner: runner) { _, _ in grey }
                }
            } catch is any MobileKitError {
                refused += 1
            }
        }
        XCTAssertGreaterThan(refused, rounds / 5)
    }

    /// A value somewhere in it becomes another one, or is gone.
    private func mutated(_ node: Any, _ chance: inout Chance) -> Any {
        let others: [Any] = [
            0, -1, 3, 1 << 40, Int.max, 0.5, -1e300, "", "é", "int8", true, NSNull(), [Any](), [1], [String: Any](),
        ]
        let deeper = Int.random(in: 0..<8, using: &chance) > 0
        if deeper, var fields = node as? [String: Any], let key = fields.keys.sorted().randomElement(using: &chance) {
            let next = mutated(fields[key] ?? 0, &chance)
            fields[key] = Int.random(in: 0..<20, using: &chance) == 0 ? nil : next
            return fields
        }
        if deeper, var list = node as? [Any], let index = list.indices.randomElement(using: &chance) {
            list[index] = mutated(list[index], &chance)
            return list
        }
        return others.randomElement(using: &chance) ?? 0
    }

    private func manifest() throws -> [String: Any] {
        let data = try Fixture.data("bundle/bundle.json")
        return try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func write(_ tree: Any) throws {
        let data = try JSONSerialization.data(withJSONObject: tree, options: [.fragmentsAllowed])
        try data.write(to: folder.appendingPathComponent("bundle.json"))
    }

    private func change(_ edit: (inout [String: Any]) -> Void) throws {
        var tree = try manifest()
        edit(&tree)
        try write(tree)
    }

    private func changeEach(of list: String, _ edit: (inout [String: Any]) -> Void) throws {
        try change { tree in
            var all = tree[list] as? [[String: Any]] ?? []
            for index in all.indices {
                edit(&all[index])
            }
            tree[list] = all
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
