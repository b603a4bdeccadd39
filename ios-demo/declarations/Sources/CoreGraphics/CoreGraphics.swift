/// CoreGraphics: what the app uses of it. Written down from Apple's documentation, not taken from an SDK; nothing here
/// does anything. CGFloat, CGSize and CGRect are those of Linux's Foundation.
@_exported import FoundationAdditions

public enum CGColorSpaceModel: Int32, Sendable {
    case unknown = -1
    case monochrome, rgb, cmyk, lab, deviceN, indexed, pattern, XYZ
}

public final class CGColorSpace: Sendable {
    init() {}
    public var model: CGColorSpaceModel { fatalError() }
    public var baseColorSpace: CGColorSpace? { fatalError() }
}

public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { fatalError() }

public final class CGImage: Sendable {
    init() {}
    public var colorSpace: CGColorSpace? { fatalError() }
    public var width: Int { fatalError() }
    public var height: Int { fatalError() }
}

public enum CGImageAlphaInfo: UInt32, Sendable {
    case none, premultipliedLast, premultipliedFirst, last, first, noneSkipLast, noneSkipFirst, alphaOnly
}

public struct CGBitmapInfo: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public enum CGColorRenderingIntent: Int32, Sendable {
    case defaultIntent, absoluteColorimetric, relativeColorimetric, perceptual, saturation
}
