/// ImageDecoder: an encoded picture -> upright RGB pixels, as docs/preprocessing.md, steps 1 and 2, wants them: full
/// size, no colour management, alpha dropped and not blended. Refuses what ImageIO cannot read, and pictures beyond the
/// limits.
///
/// Known to differ: ImageIO's JPEG decoder is not libjpeg-turbo; 16-bit channels are rounded rather than cut; grey with
/// alpha is blended. The golden screen shows what that comes to.
import Accelerate
import CoreGraphics
import Foundation
import ImageIO
import MobileKitRuntime
import UIKit

enum ImageDecoder {
    /// `upright`: turned as EXIF says.
    static func pixels(_ data: Data, upright: Bool) throws -> Pixels {
        guard let source = CGImageSourceCreateWithData(data as CFData, nil), CGImageSourceGetCount(source) > 0 else {
            throw InputError("the picture is of an unknown kind", hint: "JPEG, PNG and HEIC are read")
        }
        let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
        let width = properties?[kCGImagePropertyPixelWidth] as? Int ?? 1
        let height = properties?[kCGImagePropertyPixelHeight] as? Int ?? 1
        guard max(width, height) <= Pixels.longestSide, width * height <= Pixels.mostPixels else {
            throw InputError("the picture of \(width)x\(height) pixels is too large")
        }
        guard let image = CGImageSourceCreateImageAtIndex(source, 0, nil),
            CGImageSourceGetStatusAtIndex(source, 0) == .statusComplete
        else {
            throw InputError("the picture is damaged or not whole", hint: "choose another one")
        }
        let orientation = properties?[kCGImagePropertyOrientation] as? Int ?? 1
        return try decoded(image).oriented(upright ? orientation : 1)
    }

    /// A picture from the camera, which comes decoded.
    static func pixels(of image: UIImage) throws -> Pixels {
        guard let picture = image.cgImage else {
            throw InputError("the camera gave no picture")
        }
        return try decoded(picture).oriented(orientation(of: image))
    }

    /// For the screen only: small, and upright.
    static func preview(_ data: Data) -> UIImage? {
        guard let source = CGImageSourceCreateWithData(data as CFData, nil) else { return nil }
        let options: [CFString: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways: true,
            kCGImageSourceCreateThumbnailWithTransform: true,
            kCGImageSourceThumbnailMaxPixelSize: 1200,
        ]
        return CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary).map { UIImage(cgImage: $0) }
    }

    /// The stored values in the picture's own colour space, so that none are converted.
    private static func decoded(_ image: CGImage) throws -> Pixels {
        if image.colorSpace?.model == .monochrome, let grey = image.colorSpace {
            return try buffered(image, space: grey, bitsPerPixel: 8, alpha: .none, read: spread)
        }
        let space = rgbSpace(of: image)
        return try buffered(image, space: space, bitsPerPixel: 32, alpha: .last) { buffer in
            let bytes = UnsafeRawBufferPointer(start: buffer.data, count: buffer.rowBytes * Int(buffer.height))
            return try Pixels(
                width: Int(buffer.width), height: Int(buffer.height), bytesPerRow: buffer.rowBytes, fourBytes: bytes,
                order: (0, 1, 2)
            )
        }
    }

    private static func buffered(
        _ image: CGImage, space: CGColorSpace, bitsPerPixel: Int, alpha: CGImageAlphaInfo,
        read: (vImage_Buffer) throws -> Pixels
    ) throws -> Pixels {
        let wanted = vImage_CGImageFormat(
            bitsPerComponent: 8, bitsPerPixel: bitsPerPixel, colorSpace: space,
            bitmapInfo: CGBitmapInfo(rawValue: alpha.rawValue), renderingIntent: .defaultIntent
        )
        guard let format = wanted, let buffer = try? vImage_Buffer(cgImage: image, format: format) else {
            throw InputError("the picture's colours cannot be read", hint: "choose another one")
        }
        defer { buffer.free() }
        return try read(buffer)
    }

    /// Grey: the value three times.
    private static func spread(_ buffer: vImage_Buffer) throws -> Pixels {
        let (width, height) = (Int(buffer.width), Int(buffer.height))
        let source = UnsafeRawBufferPointer(start: buffer.data, count: buffer.rowBytes * height)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(3 * width * height)
        for y in 0..<height {
            for x in 0..<width {
                let value = source[y * buffer.rowBytes + x]
                bytes.append(value)
                bytes.append(value)
                bytes.append(value)
            }
        }
        return try Pixels(width: width, height: height, bytes: bytes)
    }

    private static func rgbSpace(of image: CGImage) -> CGColorSpace {
        if let space = image.colorSpace, space.model == .rgb {
            return space
        }
        return image.colorSpace?.baseColorSpace ?? CGColorSpaceCreateDeviceRGB()
    }

    /// As EXIF numbers it.
    private static func orientation(of image: UIImage) -> Int {
        switch image.imageOrientation {
        case .up: return 1
        case .upMirrored: return 2
        case .down: return 3
        case .downMirrored: return 4
        case .leftMirrored: return 5
        case .right: return 6
        case .rightMirrored: return 7
        case .left: return 8
        @unknown default: return 1
        }
    }
}
