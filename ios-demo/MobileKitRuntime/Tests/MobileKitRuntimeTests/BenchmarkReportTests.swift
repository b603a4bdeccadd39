/// What a phone shares: the agreed JSON, field by field.
import Foundation
import MobileKitRuntime
import XCTest

final class BenchmarkReportTests: XCTestCase {
    func testWritesTheAgreedForm() throws {
        let bundle = try Fixture.bundle()
        let artifact = try XCTUnwrap(bundle.artifacts(for: ["executorch"]).first)
        let timings = try XCTUnwrap(TimingSummary([4, 1, 2, 3, 5]))
        let report = BenchmarkReport(
            device: .init(
                maker: "Apple", model: "iPhone15,2", system: "iOS", systemVersion: "17.4", processor: "arm64e",
                cores: 6, memoryBytes: 6_000_000_000
            ),
            app: .init(runtime: "executorch", runtimeVersion: "1.5.1", appVersion: "1.0"),
            bundle: .init(bundle),
            results: [
                BenchmarkResult(artifact, timings: timings, threads: 2, warmup: 3, loadMs: 7.5, peakMemoryBytes: nil),
            ],
            taken: Date(timeIntervalSince1970: 1_795_359_600)
        )
        let written = try JSONDecoder().decode(JSON.self, from: try report.json())
        let expected = try Fixture.decode(JSON.self, "device-bench.json")
        XCTAssertEqual(written, expected)
        XCTAssertEqual(try JSONDecoder().decode(BenchmarkReport.self, from: try report.json()), report)
    }

    func testPercentilesInterpolate() throws {
        let summary = try XCTUnwrap(TimingSummary([4, 1, 2, 3]))
        XCTAssertEqual(summary.n, 4)
        XCTAssertEqual(summary.medianMs, 2.5, accuracy: 1e-12)
        XCTAssertEqual(summary.p90Ms, 3.7, accuracy: 1e-12)
        XCTAssertEqual(summary.iqrMs, 1.5, accuracy: 1e-12)
        XCTAssertEqual(summary.minMs, 1)
        XCTAssertNil(TimingSummary([]))
    }
}
