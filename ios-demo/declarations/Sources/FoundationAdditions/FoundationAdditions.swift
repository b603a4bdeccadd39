/// FoundationAdditions: what the app uses of Apple's Foundation and of Darwin and Linux's Foundation lacks. Written
/// down from Apple's documentation, not taken from an SDK; nothing here does anything.
///
/// Core Foundation's types are classes of their own on Apple's systems. Here they are Foundation's, to which they
/// bridge.
import Foundation

public typealias CFData = NSData
public typealias CFDictionary = NSDictionary
public typealias CFString = NSString
public typealias OSType = UInt32
/// There, an AutoreleasingUnsafeMutablePointer, which takes the same `&error`.
public typealias NSErrorPointer = UnsafeMutablePointer<NSError?>?

/// Of the Objective-C runtime.
public func autoreleasepool<Result>(invoking body: () throws -> Result) rethrows -> Result { try body() }

// MARK: - Localized strings

extension String {
    public struct LocalizationValue: ExpressibleByStringInterpolation, Equatable, Sendable {
        public struct StringInterpolation: StringInterpolationProtocol, Sendable {
            public init(literalCapacity: Int, interpolationCount: Int) {}
            public mutating func appendLiteral(_ literal: String) {}
            public mutating func appendInterpolation(_ string: String) {}
        }

        public init(_ value: String) {}
        public init(stringLiteral value: String) {}
        public init(stringInterpolation: StringInterpolation) {}
    }

    public init(
        localized keyAndValue: String.LocalizationValue, table: String? = nil, bundle: Bundle? = nil,
        locale: Locale = .current, comment: StaticString? = nil
    ) {
        fatalError()
    }
}

// MARK: - Key-value observing

public struct NSKeyValueObservingOptions: OptionSet, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    public static let new = NSKeyValueObservingOptions(rawValue: 1)
    public static let old = NSKeyValueObservingOptions(rawValue: 2)
    public static let initial = NSKeyValueObservingOptions(rawValue: 4)
    public static let prior = NSKeyValueObservingOptions(rawValue: 8)
}

public struct NSKeyValueObservedChange<Value> {
    public let newValue: Value?
    public let oldValue: Value?
    public let isPrior: Bool
}

public class NSKeyValueObservation: NSObject {
    override init() {}
    public func invalidate() {}
}

public protocol _KeyValueCodingAndObserving {}

extension NSObject: _KeyValueCodingAndObserving {}

extension _KeyValueCodingAndObserving {
    @preconcurrency
    public func observe<Value>(
        _ keyPath: KeyPath<Self, Value>, options: NSKeyValueObservingOptions = [],
        changeHandler: @escaping @Sendable (Self, NSKeyValueObservedChange<Value>) -> Void
    ) -> NSKeyValueObservation {
        fatalError()
    }
}

// MARK: - Darwin

public typealias natural_t = UInt32
public typealias integer_t = Int32
public typealias kern_return_t = Int32
public typealias mach_port_t = natural_t
public typealias mach_vm_size_t = UInt64
public typealias mach_msg_type_number_t = natural_t
public typealias task_name_t = mach_port_t
public typealias task_flavor_t = natural_t
public typealias task_info_t = UnsafeMutablePointer<integer_t>

/// Of its fields, the one that is read.
public struct task_vm_info {
    public var phys_footprint: mach_vm_size_t
    public init() { fatalError() }
}

public typealias task_vm_info_data_t = task_vm_info

public nonisolated(unsafe) var mach_task_self_: mach_port_t = 0
public var TASK_VM_INFO: Int32 { fatalError() }
public var KERN_SUCCESS: Int32 { fatalError() }

public func task_info(
    _ target_task: task_name_t, _ flavor: task_flavor_t, _ task_info_out: task_info_t!,
    _ task_info_outCnt: UnsafeMutablePointer<mach_msg_type_number_t>!
) -> kern_return_t {
    fatalError()
}

public func sysctlbyname(
    _ name: UnsafePointer<CChar>!, _ oldp: UnsafeMutableRawPointer!, _ oldlenp: UnsafeMutablePointer<Int>!,
    _ newp: UnsafeMutableRawPointer!, _ newlen: Int
) -> Int32 {
    fatalError()
}
