/// Accelerate: what the app uses of vImage. Written down from Apple's documentation, not taken from an SDK; nothing
/// here does anything.
@_exported import CoreGraphics

public typealias vImagePixelCount = UInt

public enum vImage {
    public struct Options: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let noFlags = Options([])
    }
}

/// Not Sendable there either: it points to memory that nobody owns.
public struct vImage_Buffer {
    public var data: UnsafeMutableRawPointer!
    public var height: vImagePixelCount
    public var width: vImagePixelCount
    public var rowBytes: Int

    public init(cgImage: CGImage, format: vImage_CGImageFormat, flags options: vImage.Options = .noFlags) throws {
        fatalError()
    }

    public func free() {}
}

public struct vImage_CGImageFormat {
    public init?(
        bitsPerComponent: Int, bitsPerPixel: Int, colorSpace: CGColorSpace, bitmapInfo: CGBitmapInfo,
        renderingIntent: CGColorRenderingIntent = .defaultIntent
    ) {
        fatalError()
    }
}
