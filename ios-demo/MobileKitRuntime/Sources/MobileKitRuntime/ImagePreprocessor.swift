/// ImagePreprocessor: decoded, upright pixels -> the model's input, in the order that docs/preprocessing.md states:
/// colour, resize, crop, normalise, layout. Integer images are equal to Python's, bit for bit. Never decodes a file.
import Foundation

public struct ImagePreprocessor: Sendable {
    public let spec: ImageSpec

    /// Throws `BundleError` for choices that contradict each other.
    public init(_ spec: ImageSpec) throws {
        if let problem = spec.contradiction {
            throw BundleError("preprocess: \(problem)", hint: "export the model again")
        }
        self.spec = spec
    }

    /// RGB pixels -> float32 (1, C, h, w) or (1, h, w, C). Throws `InputError` where a step would make them too large.
    public func tensor(_ pixels: Pixels, name: String = "image") throws -> Tensor {
        let ready = try toPixels(pixels)
        let shape: [Int]
        switch spec.layout {
        case .nchw: shape = [1, ready.channels, ready.height, ready.width]
        case .nhwc: shape = [1, ready.height, ready.width, ready.channels]
        }
        return try Tensor(name: name, shape: shape, floats: normalize(ready))
    }

    /// RGB pixels -> those that are normalised: colour, resize, crop.
    public func toPixels(_ pixels: Pixels) throws -> Pixels {
        guard pixels.channels == 3 else {
            throw InputError("an image must be RGB, with 3 channels, given \(pixels.channels)")
        }
        return crop(try resize(color(pixels)))
    }

    /// Step 3: RGB -> BGR or grey, as the contract's `color` says.
    public func color(_ pixels: Pixels) -> Pixels {
        switch spec.color {
        case .rgb:
            return pixels
        case .bgr:
            var bytes = pixels.bytes
            for at in stride(from: 0, to: bytes.count, by: 3) {
                bytes.swapAt(at, at + 2)
            }
            return Pixels(width: pixels.width, height: pixels.height, channels: 3, checked: bytes)
        case .l:
            var bytes = [UInt8](repeating: 0, count: pixels.width * pixels.height)
            for index in bytes.indices {
                bytes[index] = luma(pixels.bytes, 3 * index)
            }
            return Pixels(width: pixels.width, height: pixels.height, channels: 1, checked: bytes)
        }
    }

    /// Step 4. Throws `InputError` where an image would become larger than the contract's limits.
    public func resize(_ pixels: Pixels) throws -> Pixels {
        guard let resize = spec.resize else { return pixels }
        let (height, width) = resizedSize(pixels, resize)
        try Pixels.checkSize(width: width, height: height)
        let resampled = Resample.resample(
            pixels, height: height, width: width, interpolation: resize.interpolation, antialias: resize.antialias
        )
        guard resize.mode == .fit else { return resampled }
        return padded(resampled, height: resize.size.height, width: resize.size.width, value: resize.padValue)
    }

    /// Step 5: around the centre, padded with 0 where the image is smaller.
    public func crop(_ pixels: Pixels) -> Pixels {
        guard let size = spec.crop else { return pixels }
        let height = max(pixels.height, size.height)
        let width = max(pixels.width, size.width)
        let whole = padded(pixels, height: height, width: width, value: 0)
        let top = halfToEven(height - size.height)
        let left = halfToEven(width - size.width)
        let length = size.width * whole.channels
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size.height * length)
        for y in 0..<size.height {
            let from = ((top + y) * width + left) * whole.channels
            bytes.append(contentsOf: whole.bytes[from..<(from + length)])
        }
        return Pixels(width: size.width, height: size.height, channels: whole.channels, checked: bytes)
    }

    /// Steps 6 and 7: (float32(x) / divisor - mean[c]) / std[c], every operation rounded to float32.
    public func normalize(_ pixels: Pixels) -> [Float] {
        let table = normalizedValues(channels: pixels.channels)
        let (channels, count) = (pixels.channels, pixels.width * pixels.height)
        var values = [Float](repeating: 0, count: pixels.bytes.count)
        switch spec.layout {
        case .nhwc:
            for index in pixels.bytes.indices {
                values[index] = table[(index % channels) * 256 + Int(pixels.bytes[index])]
            }
        case .nchw:
            for c in 0..<channels {
                for index in 0..<count {
                    values[c * count + index] = table[c * 256 + Int(pixels.bytes[index * channels + c])]
                }
            }
        }
        return values
    }

    /// What each of the 256 pixel values becomes, channel after channel.
    private func normalizedValues(channels: Int) -> [Float] {
        let divisor = Float(spec.divisor)
        var table: [Float] = []
        for c in 0..<channels {
            let mean: Float = spec.mean.isEmpty ? 0 : Float(spec.mean[c])
            let std: Float = spec.std.isEmpty ? 1 : Float(spec.std[c])
            for x in 0..<256 {
                let scaled: Float = Float(x) / divisor
                let centered: Float = scaled - mean
                table.append(centered / std)
            }
        }
        return table
    }

    /// The (height, width) that an image is resampled to, before padding and crop; integers only.
    private func resizedSize(_ pixels: Pixels, _ resize: ImageSpec.Resize) -> (Int, Int) {
        let (h, w) = (resize.size.height, resize.size.width)
        let (height, width) = (pixels.height, pixels.width)
        switch resize.mode {
        case .stretch:
            return (h, w)
        case .cover:
            return h * width >= w * height ? (h, h * width / height) : (w * height / width, w)
        case .fit:
            if h * width <= w * height {
                return (h, max(1, (2 * h * width + height) / (2 * height)))
            }
            return (max(1, (2 * w * height + width) / (2 * width)), w)
        }
    }

    /// ITU-R 601-2 luma in 16-bit fixed point.
    private func luma(_ bytes: [UInt8], _ at: Int) -> UInt8 {
        let red = 19595 * Int(bytes[at])
        let green = 38470 * Int(bytes[at + 1])
        let blue = 7471 * Int(bytes[at + 2])
        return UInt8((red + green + blue + 32768) >> 16)
    }

    /// `value` around an image that is no larger than the size; of an odd number the bottom or right gets one more.
    private func padded(_ pixels: Pixels, height: Int, width: Int, value: UInt8) -> Pixels {
        guard height != pixels.height || width != pixels.width else { return pixels }
        let (top, left) = ((height - pixels.height) / 2, (width - pixels.width) / 2)
        let length = pixels.width * pixels.channels
        var bytes = [UInt8](repeating: value, count: height * width * pixels.channels)
        for y in 0..<pixels.height {
            let to = ((top + y) * width + left) * pixels.channels
            bytes.replaceSubrange(to..<(to + length), with: pixels.bytes[(y * length)..<((y + 1) * length)])
        }
        return Pixels(width: width, height: height, channels: pixels.channels, checked: bytes)
    }

    /// difference / 2, and where that is halfway between two integers, the even one.
    private func halfToEven(_ difference: Int) -> Int {
        let half = difference >> 1
        return half + (difference & half & 1)
    }
}
