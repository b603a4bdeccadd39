/// Pixels: an 8-bit image, decoded and upright. Refuses bytes that do not fit the size, and images beyond the
/// contract's limits.
import Foundation

/// Row after row, the channels of a pixel side by side: RGB as decoders give it, BGR or grey after the colour step.
public struct Pixels: Sendable, Equatable {
    /// The most pixels of an image at any step.
    public static let mostPixels = 1 << 27
    /// The longest side of an image at any step.
    public static let longestSide = 65_535

    public let width: Int
    public let height: Int
    public let channels: Int
    public let bytes: [UInt8]

    public init(width: Int, height: Int, channels: Int = 3, bytes: [UInt8]) throws {
        try Pixels.checkSize(width: width, height: height)
        guard (1...4).contains(channels), bytes.count == width * height * channels else {
            throw InputError("\(bytes.count) bytes are no image of \(width)x\(height) pixels with \(channels) channels")
        }
        self.init(width: width, height: height, channels: channels, checked: bytes)
    }

    /// Without a check: what the steps of preprocessing make fits by their own arithmetic.
    init(width: Int, height: Int, channels: Int, checked bytes: [UInt8]) {
        self.width = width
        self.height = height
        self.channels = channels
        self.bytes = bytes
    }

    /// From four bytes a pixel, as screens and cameras have them. Alpha is dropped, not blended.
    /// `order` says where red, green and blue lie within the four: (0, 1, 2) for RGBA, (2, 1, 0) for BGRA.
    public init(width: Int, height: Int, bytesPerRow: Int, fourBytes: UnsafeRawBufferPointer, order: (Int, Int, Int))
        throws
    {
        try Pixels.checkSize(width: width, height: height)
        guard bytesPerRow >= 4 * width, fourBytes.count >= (height - 1) * bytesPerRow + 4 * width else {
            throw InputError("\(fourBytes.count) bytes are no image of \(width)x\(height) pixels with 4 bytes each")
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: width * height * 3) { target, count in
            var to = 0
            for y in 0..<height {
                var from = y * bytesPerRow
                for _ in 0..<width {
                    target[to] = fourBytes[from + order.0]
                    target[to + 1] = fourBytes[from + order.1]
                    target[to + 2] = fourBytes[from + order.2]
                    from += 4
                    to += 3
                }
            }
            count = to
        }
        self.init(width: width, height: height, channels: 3, checked: bytes)
    }

    static func checkSize(width: Int, height: Int) throws {
        guard width >= 1, height >= 1 else {
            throw InputError("an image of \(width)x\(height) pixels is empty")
        }
        guard max(width, height) <= longestSide, width * height <= mostPixels else {
            throw InputError(
                "an image of \(width)x\(height) pixels is too large",
                hint: "at most \(mostPixels) pixels and \(longestSide) a side are taken"
            )
        }
    }

    /// Turned upright, as EXIF tag 0x0112 says: 1 to 8; any other value leaves it as it is.
    public func oriented(_ orientation: Int) -> Pixels {
        guard (2...8).contains(orientation) else { return self }
        let turned = orientation >= 5
        let (newHeight, newWidth) = turned ? (width, height) : (height, width)
        var output = [UInt8](repeating: 0, count: bytes.count)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let (row, column) = source(of: orientation, y: y, x: x)
                let from = (row * width + column) * channels
                let to = (y * newWidth + x) * channels
                for c in 0..<channels {
                    output[to + c] = bytes[from + c]
                }
            }
        }
        return Pixels(width: newWidth, height: newHeight, channels: channels, checked: output)
    }

    /// Where in the stored image the pixel (y, x) of the upright one lies.
    private func source(of orientation: Int, y: Int, x: Int) -> (Int, Int) {
        let (h, w) = (height, width)
        switch orientation {
        case 2: return (y, w - 1 - x)
        case 3: return (h - 1 - y, w - 1 - x)
        case 4: return (h - 1 - y, x)
        case 5: return (x, y)
        case 6: return (h - 1 - x, y)
        case 7: return (h - 1 - x, w - 1 - y)
        case 8: return (x, w - 1 - y)
        default: return (y, x)
        }
    }
}
