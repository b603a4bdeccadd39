/// ExecuTorch: what the app uses of its Swift package. Written down from ExecuTorch's headers and Swift sources in
/// extension/apple; nothing here does anything. What they refuse, such as making a `Value` without one, is refused
/// here.
@_exported import Foundation

public enum DataType: Int8, Sendable {
    case byte, char, short, int, long, half, float, double, complexHalf, complexFloat, complexDouble, bool
    case qInt8, quInt8, qInt32, bFloat16, quInt4x2, quInt2x4, bits1x8, bits2x4, bits4x2, bits8, bits16
    case float8_e5m2, float8_e4m3fn, float8_e5m2fnuz, float8_e4m3fnuz, uInt16, uInt32, uInt64, undefined, numOptions
}

public enum ShapeDynamism: UInt8, Sendable {
    case `static`, dynamicBound, dynamicUnbound
}

/// Of its codes, those that the app has words for.
public enum ErrorCode: Int, Sendable {
    case operatorMissing = 20
    case notFound = 32
    case invalidProgram = 35
}

/// Functions with a type's name: whoever imports ExecuTorch has to write `Swift.Error`.
public func Error(code: ErrorCode) -> any Swift.Error { fatalError() }
public func Error(code: ErrorCode, description: String?) -> any Swift.Error { fatalError() }

public protocol Scalar {
    static var dataType: DataType { get }
    func asNSNumber() -> NSNumber
}

public final class AnyTensor: NSObject {
    override init() {}
    public var dataType: DataType { fatalError() }
    public var shapeDynamism: ShapeDynamism { fatalError() }
    public func bytes(_ handler: (UnsafeRawPointer, Int, DataType) -> Void) {}
    public func mutableBytes(_ handler: (UnsafeMutableRawPointer, Int, DataType) -> Void) {}
}

extension AnyTensor {
    public var shape: [Int] { fatalError() }
    public var strides: [Int] { fatalError() }
    public var dimensionOrder: [Int] { fatalError() }
    public var count: Int { fatalError() }

    public convenience init(
        _ tensor: AnyTensor, shape: [Int] = [], dimensionOrder: [Int] = [], strides: [Int] = []
    ) {
        fatalError()
    }

    public convenience init(
        bytesNoCopy pointer: UnsafeMutableRawPointer, shape: [Int], strides: [Int] = [], dimensionOrder: [Int] = [],
        dataType: DataType, shapeDynamism: ShapeDynamism = .dynamicBound
    ) {
        fatalError()
    }

    public convenience init(
        bytes pointer: UnsafeRawPointer, shape: [Int], strides: [Int] = [], dimensionOrder: [Int] = [],
        dataType: DataType, shapeDynamism: ShapeDynamism = .dynamicBound
    ) {
        fatalError()
    }

    public convenience init(
        data: Data, shape: [Int], strides: [Int] = [], dimensionOrder: [Int] = [], dataType: DataType,
        shapeDynamism: ShapeDynamism = .dynamicBound
    ) {
        fatalError()
    }
}

public final class Tensor<T: Scalar>: Equatable {
    public let anyTensor: AnyTensor
    public init(_ tensor: AnyTensor) { fatalError() }
    public static func == (lhs: Tensor<T>, rhs: Tensor<T>) -> Bool { fatalError() }
}

public final class Value: NSObject {
    override init() {}
    public convenience init(_ value: AnyTensor) { fatalError() }
    public convenience init(_ value: String) { fatalError() }
}

extension Value {
    public convenience init<T: Scalar>(_ tensor: Tensor<T>) { fatalError() }
    public var anyTensor: AnyTensor? { fatalError() }
    public func tensor<T: Scalar>() -> Tensor<T>? { fatalError() }
}

public protocol ValueConvertible {
    func asValue() -> Value
}

public protocol ValueConstructible {
    static func from(_ value: Value) throws -> Self
}

public protocol ValueSequenceConstructible {
    static func from(_ values: [Value]) throws -> Self
}

extension Value: ValueConvertible, ValueConstructible, ValueSequenceConstructible {
    public func asValue() -> Value { self }
    public static func from(_ value: Value) throws -> Self { fatalError() }
    public static func from(_ values: [Value]) throws -> Self { fatalError() }
}

extension AnyTensor: ValueConvertible, ValueConstructible, ValueSequenceConstructible {
    public func asValue() -> Value { fatalError() }
    public static func from(_ value: Value) throws -> Self { fatalError() }
    public static func from(_ values: [Value]) throws -> Self { fatalError() }
}

extension Tensor: ValueConvertible {
    public func asValue() -> Value { fatalError() }
}

extension Array: ValueSequenceConstructible where Element: ValueConstructible {
    public static func from(_ values: [Value]) throws -> [Element] { fatalError() }
}

public enum ModuleLoadMode: Int, Sendable {
    case file, mmap, mmapUseMlock, mmapUseMlockIgnoreErrors
}

public enum ModuleVerification: UInt8, Sendable {
    case minimal, internalConsistency
}

open class Module: NSObject {
    public init(filePath: String, dataFilePaths: [String], loadMode: ModuleLoadMode) { fatalError() }
    public convenience init(filePath: String, dataFilePaths: [String]) { fatalError() }
    public convenience init(filePath: String, loadMode: ModuleLoadMode) { fatalError() }
    public convenience init(filePath: String) { fatalError() }
    open func load(with verification: ModuleVerification) throws {}
    open func load() throws {}
    open func load(_ method: String) throws {}
    open func isLoaded() -> Bool { fatalError() }
    open func isLoaded(_ method: String) -> Bool { fatalError() }
}

extension Module {
    public func execute(_ method: String, _ inputs: [ValueConvertible]) throws -> [Value] { fatalError() }
    public func execute(_ method: String, _ inputs: ValueConvertible...) throws -> [Value] { fatalError() }

    public func execute<Output: ValueSequenceConstructible>(
        _ method: String, _ inputs: [ValueConvertible]
    ) throws -> Output {
        fatalError()
    }

    public func execute<Output: ValueSequenceConstructible>(
        _ method: String, _ inputs: ValueConvertible...
    ) throws -> Output {
        fatalError()
    }
}
