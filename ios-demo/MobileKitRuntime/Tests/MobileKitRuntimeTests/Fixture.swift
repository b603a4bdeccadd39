/// Fixture: the files that tests/ios/make_fixtures.py made with Python's own preprocessing.
import Foundation
import MobileKitRuntime
import XCTest

enum Fixture {
    static func url(_ path: String) throws -> URL {
        let resources = try XCTUnwrap(Foundation.Bundle.module.resourceURL)
        return resources.appendingPathComponent("Fixtures").appendingPathComponent(path)
    }

    static func data(_ path: String) throws -> Data {
        try Data(contentsOf: try url(path))
    }

    static func decode<T: Decodable>(_ type: T.Type, _ path: String) throws -> T {
        try JSONDecoder().decode(type, from: try data(path))
    }

    /// The JSON files of a folder, by name.
    static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: try url(folder).path)
            .filter { $0.hasSuffix(".json") }
            .sorted()
            .map { "\(folder)/\($0)" }
    }

    static func bundle(check: Bool = true) throws -> ModelBundle {
        try ModelBundle.open(FolderFiles(try url("bundle")), check: check)
    }

    /// A copy of the bundle in a folder of its own, for tests that break it. The caller removes it.
    static func copiedBundle() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mobilekit-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: try url("bundle"), to: folder)
        return folder
    }
}

/// An array of numbers with its shape, as the golden files of the preprocessing have it.
struct Numbers: Decodable {
    let shape: [Int]
    let values: [Double]
}

/// A runner that answers from a closure: the arithmetic around a model is what is tested, not a model.
final class ClosureRunner: ModelRunner {
    private let answer: ([Tensor]) throws -> [Tensor]
    private(set) var calls = 0

    init(_ answer: @escaping ([Tensor]) throws -> [Tensor]) {
        self.answer = answer
    }

    func run(_ inputs: [Tensor]) throws -> [Tensor] {
        calls += 1
        return try answer(inputs)
    }
}

/// The same numbers on every machine (SplitMix64).
struct Chance: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Of float32 numbers; a file has them in as many digits as it takes to know them.
func largestDifference(_ one: [Float], _ other: [Double]) -> Double {
    guard one.count == other.count else { return .infinity }
    return zip(one, other).map { abs(Double($0) - Double(Float($1))) }.max() ?? 0
}

/// JSON whose order of fields and spelling of numbers do not matter.
enum JSON: Decodable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }
}
