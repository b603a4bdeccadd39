/// Tensor: raw values with a name, an element type and a shape. Little-endian, C-contiguous, as golden files are.
/// Refuses data whose size does not fit the shape.
import Foundation

#if _endian(big)
#error("tensors are kept as little-endian bytes; this package needs a little-endian processor")
#endif

/// An element type, under the name that bundle.json has for it.
public enum DType: String, Codable, Sendable, CaseIterable {
    case float32, float16, int64, int32, int8, uint8, bool

    /// Bytes of one element.
    public var bytes: Int {
        switch self {
        case .int64: return 8
        case .float32, .int32: return 4
        case .float16: return 2
        case .int8, .uint8, .bool: return 1
        }
    }
}

public struct Tensor: Sendable, Equatable {
    public let name: String
    public let dtype: DType
    public let shape: [Int]
    public let data: Data

    public init(name: String, dtype: DType, shape: [Int], data: Data) throws {
        guard let count = Tensor.elements(of: shape), data.count == count * dtype.bytes else {
            throw InputError("\(name): \(data.count) bytes are no \(dtype.rawValue) tensor of shape \(shape)")
        }
        self.init(name: name, dtype: dtype, shape: shape, checked: data)
    }

    /// A float32 tensor of these values.
    public init(name: String, shape: [Int], floats: [Float]) throws {
        let data = floats.withUnsafeBufferPointer { Data(buffer: $0) }
        try self.init(name: name, dtype: .float32, shape: shape, data: data)
    }

    private init(name: String, dtype: DType, shape: [Int], checked data: Data) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.data = data
    }

    /// How many elements it has.
    public var count: Int { data.count / dtype.bytes }

    /// The same elements under another name.
    public func named(_ name: String) -> Tensor {
        Tensor(name: name, dtype: dtype, shape: shape, checked: data)
    }

    /// Its elements, for float32 only.
    public func floats() throws -> [Float] {
        guard dtype == .float32 else {
            throw InputError("\(name) is \(dtype.rawValue), not float32")
        }
        return data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    /// Its elements as float64, whatever the type: float64 holds each of them but int64 beyond 2^53.
    public func values() -> [Double] {
        data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> [Double] in
            (0..<count).map { element(at: $0, of: bytes) }
        }
    }

    private func element(at index: Int, of bytes: UnsafeRawBufferPointer) -> Double {
        let offset = index * dtype.bytes
        switch dtype {
        case .float32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float.self))
        case .float16: return Half.double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        case .int64: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
        case .int32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
        case .int8: return Double(Int8(bitPattern: bytes[offset]))
        case .uint8, .bool: return Double(bytes[offset])
        }
    }

    /// A tensor with the same value everywhere, such as a state before the first call.
    public static func filled(name: String, dtype: DType, shape: [Int], value: Double) throws -> Tensor {
        guard let count = elements(of: shape) else {
            throw InputError("\(name): \(shape) is no shape")
        }
        var data = Data(capacity: count * dtype.bytes)
        let element = try encoded(value, as: dtype, name: name)
        for _ in 0..<count {
            data.append(contentsOf: element)
        }
        return try Tensor(name: name, dtype: dtype, shape: shape, data: data)
    }

    /// `count` steps of an axis, from `start` on: a piece of what a streaming model is fed.
    public func slice(axis: Int, start: Int, count: Int) throws -> Tensor {
        guard shape.indices.contains(axis), start >= 0, count >= 0, start <= shape[axis] - count else {
            throw InputError("\(name): \(start) to \(start + count) of axis \(axis) is not within \(shape)")
        }
        let inner = shape[(axis + 1)...].reduce(dtype.bytes, *)
        let outer = shape[..<axis].reduce(1, *)
        var piece = Data(capacity: outer * count * inner)
        data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            for block in 0..<outer {
                let from = (block * shape[axis] + start) * inner
                piece.append(contentsOf: bytes[from..<(from + count * inner)])
            }
        }
        var size = shape
        size[axis] = count
        return try Tensor(name: name, dtype: dtype, shape: size, data: piece)
    }

    /// The number of elements of a shape; nil where a size is negative or the product is beyond any memory.
    static func elements(of shape: [Int]) -> Int? {
        var product = 1
        for size in shape {
            guard size >= 0 else { return nil }
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            guard !overflow, next <= 1 << 40 else { return nil }
            product = next
        }
        return product
    }

    private static func encoded(_ value: Double, as dtype: DType, name: String) throws -> [UInt8] {
        func whole<T: FixedWidthInteger>(_ type: T.Type) throws -> [UInt8] {
            guard let exact = T(exactly: value) else {
                throw InputError("\(name): \(value) is no \(dtype.rawValue)")
            }
            return withUnsafeBytes(of: exact) { Array($0) }
        }
        switch dtype {
        case .float32: return withUnsafeBytes(of: Float(value)) { Array($0) }
        case .float16: return withUnsafeBytes(of: Half.bits(value)) { Array($0) }
        case .int64: return try whole(Int64.self)
        case .int32: return try whole(Int32.self)
        case .int8: return try whole(Int8.self)
        case .uint8, .bool: return try whole(UInt8.self)
        }
    }
}

/// Half precision by its bits: Swift's own `Float16` does not exist on every processor that this package builds for.
enum Half {
    static func double(_ bits: UInt16) -> Double {
        let exponent = Int((bits >> 10) & 0x1F)
        let fraction = Double(bits & 0x3FF)
        let magnitude: Double
        switch exponent {
        case 0: magnitude = scaled(fraction, -24)
        case 31: magnitude = fraction == 0 ? Double.infinity : Double.nan
        default: magnitude = scaled(fraction + 1024, exponent - 25)
        }
        return bits & 0x8000 == 0 ? magnitude : -magnitude
    }

    /// Rounded to the nearest, halves to even.
    static func bits(_ value: Double) -> UInt16 {
        let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
        let magnitude = abs(value)
        if value.isNaN { return sign | 0x7E00 }
        if magnitude >= 65520 { return sign | 0x7C00 }
        let exponent = magnitude < 0x1p-14 ? -14 : Int(magnitude.exponent)
        let fraction = scaled(magnitude, 10 - exponent).rounded(.toNearestOrEven)
        // A fraction that rounds up to 2048 carries into the exponent by itself.
        return sign | UInt16((exponent + 14) * 1024 + Int(fraction))
    }

    /// value x 2^power, exactly.
    private static func scaled(_ value: Double, _ power: Int) -> Double {
        Double(sign: .plus, exponent: power, significand: value)
    }
}
