/// Preprocessing against what Python and Pillow made of the same pixels: equal, and not merely close.
import Foundation
@testable import MobileKitRuntime
import XCTest

private struct GoldenImage: Decodable {
    let preprocess: ImageSpec
    let image: Numbers
    let pixels: Numbers
    let tensor: Numbers
}

/// Pixels from a formula that both languages have, and the hashes of what became of them.
private struct Generated: Decodable {
    let name: String
    let seed: UInt32
    let height: Int
    let width: Int
    let preprocess: ImageSpec
    let pixelsShape: [Int]
    let pixelsSha256: String
    let tensorShape: [Int]
    let tensorSha256: String

    private enum CodingKeys: String, CodingKey {
        case name, seed, height, width, preprocess
        case pixelsShape = "pixels_shape"
        case pixelsSha256 = "pixels_sha256"
        case tensorShape = "tensor_shape"
        case tensorSha256 = "tensor_sha256"
    }

    func pixels() throws -> Pixels {
        let bytes = (0..<(height * width * 3)).map { index -> UInt8 in
            var value = UInt32(truncatingIfNeeded: index) &* 2_654_435_761 &+ seed
            value = (value ^ (value >> 15)) &* 2_246_822_519
            return UInt8(truncatingIfNeeded: value >> 24)
        }
        return try Pixels(width: width, height: height, bytes: bytes)
    }
}

private struct Turned: Decodable {
    let orientation: Int
    let upright: Numbers
}

private struct Turns: Decodable {
    let stored: Numbers
    let turns: [Turned]
}

final class PreprocessTests: XCTestCase {
    func testGoldenFiles() throws {
        let names = try Fixture.names(in: "preprocess")
        XCTAssertGreaterThan(names.count, 8)
        for name in names {
            let golden = try Fixture.decode(GoldenImage.self, name)
            let preprocessor = try ImagePreprocessor(golden.preprocess)
            let pixels = try preprocessor.toPixels(try image(golden.image))
            XCTAssertEqual([pixels.height, pixels.width, pixels.channels], golden.pixels.shape, name)
            XCTAssertEqual(pixels.bytes, golden.pixels.values.map { UInt8($0) }, name)
            let tensor = try preprocessor.tensor(try image(golden.image))
            XCTAssertEqual(tensor.shape, golden.tensor.shape, name)
            XCTAssertEqual(try tensor.floats(), golden.tensor.values.map { Float($0) }, name)
        }
    }

    func testGeneratedImagesToTheBit() throws {
        let cases = try Fixture.decode([Generated].self, "generated.json")
        XCTAssertGreaterThan(cases.count, 5)
        for one in cases {
            let preprocessor = try ImagePreprocessor(one.preprocess)
            let pixels = try preprocessor.toPixels(try one.pixels())
            XCTAssertEqual([pixels.height, pixels.width, pixels.channels], one.pixelsShape, one.name)
            XCTAssertEqual(Sha256.hex(of: Data(pixels.bytes)), one.pixelsSha256, one.name)
            let tensor = try preprocessor.tensor(try one.pixels())
            XCTAssertEqual(tensor.shape, one.tensorShape, one.name)
            XCTAssertEqual(Sha256.hex(of: tensor.data), one.tensorSha256, one.name)
        }
    }

    func testOrientations() throws {
        let golden = try Fixture.decode(Turns.self, "orientation.json")
        let stored = try image(golden.stored)
        XCTAssertEqual(golden.turns.count, 9)
        for turn in golden.turns {
            let upright = stored.oriented(turn.orientation)
            XCTAssertEqual([upright.height, upright.width, 3], turn.upright.shape, "\(turn.orientation)")
            XCTAssertEqual(upright.bytes, turn.upright.values.map { UInt8($0) }, "\(turn.orientation)")
        }
    }

    func testWorkedExampleOfTheContract() {
        let windows = Windows(source: 5, size: 3, interpolation: .bilinear, antialias: true)
        XCTAssertEqual(windows.first, [0, 1, 3])
        XCTAssertEqual(windows.count, [3, 3, 2])
        XCTAssertEqual(Array(windows.weights[0..<3]), [2_396_745, 1_797_559, 0])
        XCTAssertEqual(Array(windows.weights[3..<6]), [932_068, 2_330_169, 932_068])
        XCTAssertEqual(Array(windows.weights[6..<8]), [1_797_559, 2_396_745])
    }

    func testRefusesChoicesThatContradictEachOther() {
        XCTAssertThrowsError(try ImagePreprocessor(ImageSpec(mean: [0.5])))
        XCTAssertThrowsError(try ImagePreprocessor(ImageSpec(std: [1, 0, 1])))
        XCTAssertThrowsError(try ImagePreprocessor(ImageSpec(divisor: 0)))
        let resize = ImageSpec.Resize(
            size: ImageSpec.Size(height: 4, width: 4), mode: .cover, interpolation: .bilinear, antialias: true
        )
        XCTAssertThrowsError(try ImagePreprocessor(ImageSpec(resize: resize)))
    }

    func testRefusesPixelsThatDoNotFit() {
        XCTAssertThrowsError(try Pixels(width: 0, height: 3, bytes: []))
        XCTAssertThrowsError(try Pixels(width: 2, height: 2, bytes: [1, 2, 3]))
        XCTAssertThrowsError(try Pixels(width: 70_000, height: 1, bytes: [UInt8](repeating: 0, count: 210_000)))
    }

    func testDropsAlphaOfFourBytePixels() throws {
        let bgra: [UInt8] = [3, 2, 1, 0, 6, 5, 4, 128, 0, 0, 0, 0, 9, 8, 7, 255, 12, 11, 10, 1]
        let pixels = try bgra.withUnsafeBytes { bytes in
            try Pixels(width: 2, height: 2, bytesPerRow: 12, fourBytes: bytes, order: (2, 1, 0))
        }
        XCTAssertEqual(pixels.bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    }

    private func image(_ numbers: Numbers) throws -> Pixels {
        try Pixels(width: numbers.shape[1], height: numbers.shape[0], bytes: numbers.values.map { UInt8($0) })
    }
}
