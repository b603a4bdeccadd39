/// Golden bundles that Python made (tests/android/golden_bundles.py): whole models with photos of odd sizes, turned by
/// EXIF, grey, 1x1 and of 24 megapixels, and with sounds of many kinds. Skips where the environment's MOBILEKIT_BUNDLES
/// names no folder of them.
import Foundation
import MobileKitRuntime
import XCTest

final class GoldenBundlesTests: XCTestCase {
    func testLenet() throws {
        try check("lenet", samples: 15)
    }

    func testResnet20() throws {
        try check("resnet20", samples: 15)
    }

    func testMobileNet() throws {
        try check("mobilenet_v3_small", samples: 15)
    }

    func testKeywords() throws {
        try check("kws_gru", samples: 9)
    }

    /// Each artifact for ExecuTorch, run by the C++ runner: every stage passes, and photos are prepared to the bit.
    private func check(_ name: String, samples: Int) throws {
        let folder = try folder()
        let bundle = try ModelBundle.open(FolderFiles(folder.appendingPathComponent(name)))
        let path = try String(contentsOf: folder.appendingPathComponent("runner.path"), encoding: .utf8)
        let program = try XCTUnwrap(path.split(separator: "\n").first)
        guard FileManager.default.isExecutableFile(atPath: String(program)) else {
            throw RunnerError("\(program) is gone: golden_bundles.py, or `make android-test`, builds it anew")
        }
        let artifacts = bundle.artifacts(for: ["executorch"])
        XCTAssertEqual(artifacts.map(\.scheme), ["fp32", "int8"])
        for artifact in artifacts {
            let runner = try NativeRunner(
                program: String(program), artifact: artifact, at: try bundle.files.place(artifact.file)
            )
            let results = try GoldenCheck.run(bundle, artifact: artifact, runner: runner)
            XCTAssertTrue(results.allSatisfy(\.passed), "\(results.filter { !$0.passed })")
            for stage in StageResult.Stage.allCases {
                let distances = results.filter { $0.stage == stage }.map(\.distance)
                guard stage != .decode || !distances.isEmpty else { continue } // no decoder of photos here
                XCTAssertEqual(distances.count, samples, "\(stage)")
                let furthest = distances.max() ?? .infinity
                if stage == .preprocess, case .image? = bundle.manifest.preprocess {
                    XCTAssertEqual(furthest, 0)
                }
                print("\(name) \(artifact.scheme), \(stage): \(distances.count) samples, at most \(furthest) off")
            }
        }
    }

    private func folder() throws -> URL {
        guard let path = ProcessInfo.processInfo.environment["MOBILEKIT_BUNDLES"], !path.isEmpty else {
            throw XCTSkip("MOBILEKIT_BUNDLES names no folder of golden bundles")
        }
        return URL(fileURLWithPath: path, isDirectory: true)
    }
}
