/// UIKit: what the app uses of it. Written down from Apple's documentation, not taken from an SDK; nothing here does
/// anything. Its classes are none of NSObject's here, whose initializer, which no actor owns, they would inherit.
@_exported import QuartzCore

public final class UIImage: NSObject, @unchecked Sendable {
    public enum Orientation: Int, Sendable {
        case up, down, left, right, upMirrored, downMirrored, leftMirrored, rightMirrored
    }

    public init(cgImage: CGImage) {}
    public var cgImage: CGImage? { fatalError() }
    public var imageOrientation: Orientation { fatalError() }
}

@MainActor
open class UIResponder {
    public init() {}
}

@MainActor
public final class UIApplication: UIResponder {
    override init() {}
    public class var shared: UIApplication { fatalError() }
    public class var openSettingsURLString: String { fatalError() }
    public var isIdleTimerDisabled = false
}

@MainActor
public final class UIDevice {
    init() {}
    public class var current: UIDevice { fatalError() }
    public var model: String { fatalError() }
    public var systemName: String { fatalError() }
    public var systemVersion: String { fatalError() }
}

@MainActor
open class UIView: UIResponder {
    open class var layerClass: AnyClass { fatalError() }
    public init(frame: CGRect) {}
    public required init?(coder: NSCoder) { fatalError() }
    public override convenience init() { fatalError() }
    open var layer: CALayer { fatalError() }
}

@MainActor
open class UIViewController: UIResponder {
    public override init() {}
    open var view: UIView!
}

@MainActor
open class UINavigationController: UIViewController {}

@MainActor
public protocol UINavigationControllerDelegate: NSObjectProtocol {}

/// Its methods are optional there, and one with another label never called. Here they are required.
@MainActor
public protocol UIImagePickerControllerDelegate: NSObjectProtocol {
    func imagePickerController(
        _ picker: UIImagePickerController,
        didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
    )
    func imagePickerControllerDidCancel(_ picker: UIImagePickerController)
}

@MainActor
open class UIImagePickerController: UINavigationController {
    public enum SourceType: Int, Sendable {
        case photoLibrary, camera, savedPhotosAlbum
    }

    public struct InfoKey: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let originalImage = InfoKey(rawValue: "")
    }

    open class func isSourceTypeAvailable(_ sourceType: SourceType) -> Bool { fatalError() }
    open var sourceType: SourceType = .camera
    open weak var delegate: (any UIImagePickerControllerDelegate & UINavigationControllerDelegate)?
}
