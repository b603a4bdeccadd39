/// The audio front end against what the plain code of the contract computes.
import Foundation
@testable import MobileKitRuntime
import XCTest

private struct GoldenSound: Decodable {
    let spec: AudioSpec
    let encoded: String
    let waveform: [Double]
    let features: [[Double]]

    func wav() throws -> Wav {
        try readWav(try XCTUnwrap(Data(base64Encoded: encoded)), name: "golden")
    }
}

/// The zoo's front end for spoken words, on noise that both languages make.
private struct GeneratedSound: Decodable {
    let preprocess: AudioSpec
    let waveformSha256: String
    let shape: [Int]
    let features: String

    private enum CodingKeys: String, CodingKey {
        case preprocess, shape, features
        case waveformSha256 = "waveform_sha256"
    }

    func waveform() -> [Float] {
        (0..<preprocess.clipSamples).map { index -> Float in
            var value = UInt32(truncatingIfNeeded: index) &* 2_654_435_761
            value = ((value ^ (value >> 15)) &* 2_246_822_519) >> 16
            let noise = Int(value) - 32_768
            let swell = (index >> 9) % 8
            return Float((noise * swell) >> 3) / 32_768
        }
    }
}

final class AudioTests: XCTestCase {
    func testTheZoosFrontEnd() throws {
        let golden = try Fixture.decode(GeneratedSound.self, "sound.json")
        let waveform = golden.waveform()
        let made = try Tensor(name: "waveform", shape: [waveform.count], floats: waveform)
        XCTAssertEqual(Sha256.hex(of: made.data), golden.waveformSha256)
        let data = try XCTUnwrap(Data(base64Encoded: golden.features))
        let expected = try Tensor(name: "features", dtype: .float32, shape: golden.shape, data: data)
        let features = try AudioPreprocessor(golden.preprocess).tensor(waveform)
        XCTAssertEqual(features.shape, expected.shape)
        XCTAssertLessThanOrEqual(try GoldenCheck.distance(features, expected), 1e-4)
    }

    func testGoldenFiles() throws {
        let names = try Fixture.names(in: "audio")
        XCTAssertGreaterThan(names.count, 3)
        for name in names {
            let golden = try Fixture.decode(GoldenSound.self, name)
            let preprocessor = try AudioPreprocessor(golden.spec)
            let wav = try golden.wav()
            let waveform = try preprocessor.waveform(wav, name: name)
            let allowed = wav.rate == golden.spec.sampleRate ? 0 : GoldenCheck.resampledTolerance
            XCTAssertLessThanOrEqual(largestDifference(waveform, golden.waveform), allowed, name)
            let tensor = try preprocessor.tensor(golden.waveform.map { Float($0) })
            XCTAssertEqual(tensor.shape, [1, golden.spec.frames, golden.spec.mels], name)
            XCTAssertLessThanOrEqual(largestDifference(try tensor.floats(), golden.features.flatMap { $0 }), 1e-4, name)
        }
    }

    func testStreamGivesTheBitsOfTheWhole() throws {
        for name in try Fixture.names(in: "audio") {
            let golden = try Fixture.decode(GoldenSound.self, name)
            let preprocessor = try AudioPreprocessor(golden.spec)
            let waveform = golden.waveform.map { Float($0) }
            let whole = try preprocessor.tensor(waveform).floats()
            for piece in [1, 7, 160, 1000] {
                var stream = AudioStream(preprocessor)
                var frames: [[Float]] = []
                for start in stride(from: 0, to: waveform.count, by: piece) {
                    frames += stream.push(Array(waveform[start..<min(start + piece, waveform.count)]))
                }
                XCTAssertEqual(frames.flatMap { $0 }, whole, "\(name), \(piece) samples at a time")
            }
        }
    }

    func testSpectrumOfASine() {
        let size = 64
        let sine = (0..<size).map { sin(2 * Double.pi * 5 * Double($0) / Double(size)) }
        let power = PowerSpectrum(size: size).power(of: sine)
        XCTAssertEqual(power.count, 33)
        XCTAssertEqual(power[5], 1024, accuracy: 1e-9)
        XCTAssertEqual(power.enumerated().filter { $0.offset != 5 }.map(\.element).max() ?? 1, 0, accuracy: 1e-20)
    }

    func testEqualRatesAreLeftAlone() throws {
        let sound = [0.1, -0.2, 0.3]
        XCTAssertEqual(try resampleSound(sound, rate: 16000, to: 16000, name: "x"), sound)
        XCTAssertThrowsError(try resampleSound(sound, rate: 44_101, to: 16000, name: "x"))
    }

    func testRefusesFilesThatAreNotWhole() throws {
        let first = try XCTUnwrap(try Fixture.names(in: "audio").first)
        let golden = try Fixture.decode(GoldenSound.self, first)
        let whole = try XCTUnwrap(Data(base64Encoded: golden.encoded))
        for length in [0, 3, 11, 12, 20, 40, whole.count - 1] {
            XCTAssertThrowsError(try readWav(whole.prefix(length), name: "x"), "\(length) bytes") { error in
                XCTAssertTrue(error is InputError, "\(error)")
            }
        }
        XCTAssertThrowsError(try readWav(Data("RIFX0000WAVEfmt ".utf8), name: "x"))
    }
}
