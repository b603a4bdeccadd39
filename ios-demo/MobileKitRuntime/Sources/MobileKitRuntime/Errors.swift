/// Errors: what this package throws. Each says what was wrong, names the file or the field, and how to mend it.
///
///     MobileKitError
///     ├── BundleError       the bundle is not one, is damaged, or is of another schema version
///     ├── InputError        an image, a sound or a tensor that cannot be taken
///     └── RunnerError       a model that cannot be loaded or run
import Foundation

/// An error with words for people: `message`, and a `hint` that says what helps.
public protocol MobileKitError: LocalizedError, CustomStringConvertible, Sendable {
    var message: String { get }
    var hint: String? { get }
}

extension MobileKitError {
    public var errorDescription: String? { message }
    public var recoverySuggestion: String? { hint }

    public var description: String {
        guard let hint else { return message }
        return message + "\n" + hint
    }
}

/// The bundle is not one, is damaged, or was written for another version of this package.
public struct BundleError: MobileKitError, Equatable {
    public let message: String
    public let hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// An image, a sound or a tensor that cannot be taken as it is.
public struct InputError: MobileKitError, Equatable {
    public let message: String
    public let hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// A model that cannot be loaded or run.
public struct RunnerError: MobileKitError, Equatable {
    public let message: String
    public let hint: String?

    public init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}
