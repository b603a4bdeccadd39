/// Resample: Pillow 13's 8-bit resampling, bit for bit. Two passes, each of which rounds to uint8; which one comes
/// first is Pillow's rule. Never crops, pads or changes colour.
import Foundation

enum Resample {
    /// The image with `height` rows of `width`.
    static func resample(
        _ image: Pixels, height: Int, width: Int, interpolation: ImageSpec.Interpolation, antialias: Bool
    ) -> Pixels {
        if interpolation == .nearest {
            return nearest(image, height: height, width: width)
        }
        let columns = image.width == width
            ? nil : Windows(source: image.width, size: width, interpolation: interpolation, antialias: antialias)
        let rows = image.height == height
            ? nil : Windows(source: image.height, size: height, interpolation: interpolation, antialias: antialias)
        let fewerRows = image.height - height
        if fewerRows > 0 && fewerRows > 2 * (image.width - width) {
            let shorter = rows.map { alongColumns(image, $0) } ?? image
            return columns.map { alongRows(shorter, $0, needed: nil) } ?? shorter
        }
        // Rows that the second pass does not look at are left out: without antialiasing most of a photo's.
        let narrower = columns.map { alongRows(image, $0, needed: rows?.used(of: image.height)) } ?? image
        return rows.map { alongColumns(narrower, $0) } ?? narrower
    }

    /// Every row becomes as long as `windows` says. Rows that are not `needed` stay 0.
    private static func alongRows(_ image: Pixels, _ windows: Windows, needed: [Bool]?) -> Pixels {
        let size = windows.first.count
        let channels = image.channels
        var output = [UInt8](repeating: 0, count: size * image.height * channels)
        image.bytes.withUnsafeBufferPointer { source in
            windows.weights.withUnsafeBufferPointer { weights in
                output.withUnsafeMutableBufferPointer { target in
                    for y in 0..<image.height where needed?[y] ?? true {
                        let row = y * image.width * channels
                        var to = y * size * channels
                        for i in 0..<size {
                            let from = row + windows.first[i] * channels
                            let at = i * windows.taps
                            let count = windows.count[i]
                            for c in 0..<channels {
                                var total: Int32 = 1 << (Windows.precisionBits - 1)
                                var pixel = from + c
                                for k in 0..<count {
                                    total &+= weights[at + k] &* Int32(source[pixel])
                                    pixel += channels
                                }
                                target[to] = clipped(total)
                                to += 1
                            }
                        }
                    }
                }
            }
        }
        return Pixels(width: size, height: image.height, channels: channels, checked: output)
    }

    /// Every column becomes as long as `windows` says. Whole rows are added up, which memory likes.
    private static func alongColumns(_ image: Pixels, _ windows: Windows) -> Pixels {
        let size = windows.first.count
        let length = image.width * image.channels
        var output = [UInt8](repeating: 0, count: size * length)
        var totals = [Int32](repeating: 0, count: length)
        image.bytes.withUnsafeBufferPointer { source in
            totals.withUnsafeMutableBufferPointer { total in
                output.withUnsafeMutableBufferPointer { target in
                    for i in 0..<size {
                        for x in 0..<length {
                            total[x] = 1 << (Windows.precisionBits - 1)
                        }
                        for k in 0..<windows.count[i] {
                            let weight = windows.weights[i * windows.taps + k]
                            let row = (windows.first[i] + k) * length
                            for x in 0..<length {
                                total[x] &+= weight &* Int32(source[row + x])
                            }
                        }
                        for x in 0..<length {
                            target[i * length + x] = clipped(total[x])
                        }
                    }
                }
            }
        }
        return Pixels(width: image.width, height: size, channels: image.channels, checked: output)
    }

    /// Rounded half up by the half that every sum starts with; the shift rounds down, also below 0.
    @inline(__always)
    private static func clipped(_ total: Int32) -> UInt8 {
        let value = total >> Windows.precisionBits
        return UInt8(truncatingIfNeeded: min(max(value, 0), 255))
    }

    private static func nearest(_ image: Pixels, height: Int, width: Int) -> Pixels {
        let rows = Windows.nearest(source: image.height, size: height)
        let columns = Windows.nearest(source: image.width, size: width)
        let channels = image.channels
        var output: [UInt8] = []
        output.reserveCapacity(height * width * channels)
        for y in rows {
            for x in columns {
                let from = (y * image.width + x) * channels
                output.append(contentsOf: image.bytes[from..<(from + channels)])
            }
        }
        return Pixels(width: width, height: height, channels: channels, checked: output)
    }
}
