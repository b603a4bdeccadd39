/// Softmax, the best classes, their names.
import Foundation
import MobileKitRuntime
import XCTest

final class PostprocessingTests: XCTestCase {
    func testSoftmaxDoesNotOverflow() {
        let probabilities = softmax([1000, 1000, 0])
        XCTAssertEqual(probabilities[0], 0.5, accuracy: 1e-12)
        XCTAssertEqual(probabilities[2], 0, accuracy: 1e-12)
        XCTAssertEqual(softmax([1, 2, 3]).reduce(0, +), 1, accuracy: 1e-12)
        XCTAssertEqual(softmax([]), [])
    }

    func testBestClassesLargestFirst() {
        let labels = Labels(names: ["a", "b"])
        let best = topK([0.2, 0.5, 0.2, 0.1], count: 3, labels: labels)
        XCTAssertEqual(best.map(\.index), [1, 0, 2])
        XCTAssertEqual(best.map(\.label), ["b", "a", "class 2"])
        XCTAssertEqual(topK([0.5], count: 9, labels: nil).count, 1)
    }

    func testLabelsAreLines() throws {
        XCTAssertEqual(try Labels(data: Data("a\nb c\n".utf8), name: "x").names, ["a", "b c"])
        XCTAssertEqual(try Labels(data: Data("a\n\nc".utf8), name: "x").names, ["a", "", "c"])
        XCTAssertEqual(try Labels(data: Data(), name: "x").names, [])
        XCTAssertThrowsError(try Labels(data: Data([0xFF, 0xFE]), name: "x"))
    }

    func testRefusesValuesThatAreNotFinite() throws {
        let broken = try Tensor(name: "logits", shape: [1, 2], floats: [1, .nan])
        XCTAssertThrowsError(try classify([broken], labels: nil))
        XCTAssertThrowsError(try classify([], labels: nil))
    }

    func testTensorsOfEveryType() throws {
        for dtype in DType.allCases {
            let tensor = try Tensor.filled(name: "x", dtype: dtype, shape: [2, 3], value: 1)
            XCTAssertEqual(tensor.values(), [1, 1, 1, 1, 1, 1], dtype.rawValue)
            XCTAssertEqual(tensor.data.count, 6 * dtype.bytes)
        }
        XCTAssertThrowsError(try Tensor(name: "x", shape: [2, 2], floats: [1, 2, 3]))
        XCTAssertThrowsError(try Tensor(name: "x", dtype: .uint8, shape: [-1, -1], data: Data([1])))
    }

    func testHalfPrecision() throws {
        for (bits, value) in [(0x3C00, 1.0), (0xC000, -2.0), (0x7BFF, 65504.0), (0x0001, 5.9604644775390625e-08)] {
            var data = Data()
            data.append(UInt8(bits & 0xFF))
            data.append(UInt8(bits >> 8))
            let tensor = try Tensor(name: "x", dtype: .float16, shape: [1], data: data)
            XCTAssertEqual(tensor.values(), [value])
            XCTAssertEqual(try Tensor.filled(name: "x", dtype: .float16, shape: [1], value: value).data, data)
        }
    }

    func testSlicesAlongAnAxis() throws {
        let tensor = try Tensor(name: "x", shape: [2, 3, 2], floats: (0..<12).map { Float($0) })
        let piece = try tensor.slice(axis: 1, start: 1, count: 2)
        XCTAssertEqual(piece.shape, [2, 2, 2])
        XCTAssertEqual(try piece.floats(), [2, 3, 4, 5, 8, 9, 10, 11])
        XCTAssertThrowsError(try tensor.slice(axis: 1, start: 2, count: 2))
        XCTAssertThrowsError(try tensor.slice(axis: 3, start: 0, count: 1))
    }
}
