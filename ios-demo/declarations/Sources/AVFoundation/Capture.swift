/// AVFoundation: what the app uses of capture, with Core Media and Core Video, which come with it. Written down from
/// Apple's documentation, not taken from an SDK; nothing here does anything.
@_exported import QuartzCore

// MARK: - Core Media and Core Video

public final class CMSampleBuffer {
    init() {}
}

public final class CVImageBuffer {
    init() {}
}

public typealias CVPixelBuffer = CVImageBuffer
public typealias CVReturn = Int32

public struct CVPixelBufferLockFlags: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static var readOnly: CVPixelBufferLockFlags { fatalError() }
}

public let kCVPixelBufferPixelFormatTypeKey: CFString = ""
public var kCVPixelFormatType_32BGRA: OSType { fatalError() }

public func CMSampleBufferGetImageBuffer(_ sbuf: CMSampleBuffer) -> CVImageBuffer? { fatalError() }
public func CVPixelBufferGetBaseAddress(_ pixelBuffer: CVPixelBuffer) -> UnsafeMutableRawPointer? { fatalError() }
public func CVPixelBufferGetBytesPerRow(_ pixelBuffer: CVPixelBuffer) -> Int { fatalError() }
public func CVPixelBufferGetHeight(_ pixelBuffer: CVPixelBuffer) -> Int { fatalError() }
public func CVPixelBufferGetWidth(_ pixelBuffer: CVPixelBuffer) -> Int { fatalError() }

@discardableResult
public func CVPixelBufferLockBaseAddress(
    _ pixelBuffer: CVPixelBuffer, _ lockFlags: CVPixelBufferLockFlags
) -> CVReturn {
    fatalError()
}

@discardableResult
public func CVPixelBufferUnlockBaseAddress(
    _ pixelBuffer: CVPixelBuffer, _ unlockFlags: CVPixelBufferLockFlags
) -> CVReturn {
    fatalError()
}

// MARK: - Devices

public struct AVMediaType: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let video = AVMediaType(rawValue: "vide")
    public static let audio = AVMediaType(rawValue: "soun")
}

open class AVCaptureDevice: NSObject {
    public struct DeviceType: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let builtInWideAngleCamera = DeviceType(rawValue: "")
    }

    public enum Position: Int, Sendable {
        case unspecified, back, front
    }

    open class RotationCoordinator: NSObject {
        public init(device: AVCaptureDevice, previewLayer: CALayer?) {}
        open weak var device: AVCaptureDevice? { fatalError() }
        open weak var previewLayer: CALayer? { fatalError() }
        open var videoRotationAngleForHorizonLevelPreview: CGFloat { fatalError() }
        open var videoRotationAngleForHorizonLevelCapture: CGFloat { fatalError() }
    }

    override init() {}

    open class func `default`(
        _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
    ) -> AVCaptureDevice? {
        fatalError()
    }

    open class func requestAccess(
        for mediaType: AVMediaType, completionHandler handler: @escaping @Sendable (Bool) -> Void
    ) {
        fatalError()
    }

    open class func requestAccess(for mediaType: AVMediaType) async -> Bool { fatalError() }
}

// MARK: - A session and what it connects

open class AVCaptureInput: NSObject {
    override init() {}
}

open class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws { fatalError() }
}

open class AVCaptureConnection: NSObject {
    override init() {}
    open var videoRotationAngle: CGFloat = 0
    open func isVideoRotationAngleSupported(_ videoRotationAngle: CGFloat) -> Bool { fatalError() }
}

open class AVCaptureOutput: NSObject {
    override init() {}
    open func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { fatalError() }
}

open class AVCaptureVideoDataOutput: AVCaptureOutput {
    public override init() {}
    open var videoSettings: [String: Any]!
    open var alwaysDiscardsLateVideoFrames = true

    open func setSampleBufferDelegate(
        _ sampleBufferDelegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?,
        queue sampleBufferCallbackQueue: DispatchQueue?
    ) {
        fatalError()
    }
}

/// Its method is optional there, and one with another label never called. Here it is required.
public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    )
}

open class AVCaptureSession: NSObject {
    public struct Preset: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let hd1280x720 = Preset(rawValue: "")
    }

    public override init() {}
    open var sessionPreset: Preset = .hd1280x720
    open var inputs: [AVCaptureInput] { fatalError() }
    open var outputs: [AVCaptureOutput] { fatalError() }
    open var isRunning: Bool { fatalError() }
    open func canSetSessionPreset(_ preset: Preset) -> Bool { fatalError() }
    open func canAddInput(_ input: AVCaptureInput) -> Bool { fatalError() }
    open func addInput(_ input: AVCaptureInput) {}
    open func removeInput(_ input: AVCaptureInput) {}
    open func canAddOutput(_ output: AVCaptureOutput) -> Bool { fatalError() }
    open func addOutput(_ output: AVCaptureOutput) {}
    open func beginConfiguration() {}
    open func commitConfiguration() {}
    open func startRunning() {}
    open func stopRunning() {}
}

public struct AVLayerVideoGravity: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let resizeAspectFill = AVLayerVideoGravity(rawValue: "")
}

open class AVCaptureVideoPreviewLayer: CALayer {
    open var session: AVCaptureSession?
    open var videoGravity: AVLayerVideoGravity = .resizeAspectFill
    open var connection: AVCaptureConnection? { fatalError() }
}
