/// PreprocessSpec: the choices of bundle.json's `preprocess`, for images and for sound. Refuses values that
/// docs/preprocessing.md and docs/audio-preprocessing.md have no meaning for.
import Foundation

/// `preprocess` of bundle.json, told apart by its `kind`.
public enum PreprocessSpec: Sendable, Equatable {
    case image(ImageSpec)
    case audio(AudioSpec)
}

extension PreprocessSpec: Decodable {
    private enum CodingKeys: String, CodingKey {
        case kind
    }

    public init(from decoder: Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try container.decode(String.self, forKey: .kind)
        switch kind {
        case "image": self = .image(try ImageSpec(from: decoder))
        case "audio": self = .audio(try AudioSpec(from: decoder))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: container, debugDescription: "\"\(kind)\" is neither \"image\" nor \"audio\""
            )
        }
    }
}

/// From an encoded image to a float32 tensor: docs/preprocessing.md defines every field.
public struct ImageSpec: Decodable, Sendable, Equatable {
    public enum Color: String, Decodable, Sendable {
        case rgb = "RGB"
        case bgr = "BGR"
        case l = "L"
    }

    public enum Mode: String, Decodable, Sendable {
        case stretch, cover, fit
    }

    public enum Interpolation: String, Decodable, Sendable {
        case nearest, box, bilinear, hamming, bicubic, lanczos
    }

    public enum Layout: String, Decodable, Sendable {
        case nchw = "NCHW"
        case nhwc = "NHWC"
    }

    /// A [height, width] pair of the file.
    public struct Size: Decodable, Sendable, Equatable {
        public let height: Int
        public let width: Int

        public init(height: Int, width: Int) {
            self.height = height
            self.width = width
        }

        public init(from decoder: Decoder) throws {
            var values = try decoder.unkeyedContainer()
            let height = try values.decode(Int.self)
            let width = try values.decode(Int.self)
            guard values.isAtEnd, (1...16384).contains(height), (1...16384).contains(width) else {
                throw DecodingError.dataCorruptedError(
                    in: values, debugDescription: "must be [height, width], each 1 to 16384"
                )
            }
            self.init(height: height, width: width)
        }
    }

    public struct Resize: Decodable, Sendable, Equatable {
        public let size: Size
        public let mode: Mode
        public let interpolation: Interpolation
        public let antialias: Bool
        public let padValue: UInt8

        public init(size: Size, mode: Mode, interpolation: Interpolation, antialias: Bool, padValue: UInt8 = 0) {
            self.size = size
            self.mode = mode
            self.interpolation = interpolation
            self.antialias = antialias
            self.padValue = padValue
        }

        private enum CodingKeys: String, CodingKey {
            case size, mode, interpolation, antialias
            case padValue = "pad_value"
        }
    }

    public let exifOrientation: Bool
    public let color: Color
    public let resize: Resize?
    public let crop: Size?
    public let divisor: Double
    public let mean: [Double]
    public let std: [Double]
    public let layout: Layout

    private enum CodingKeys: String, CodingKey {
        case exifOrientation = "exif_orientation"
        case color, resize, crop, divisor, mean, std, layout
    }

    public init(
        exifOrientation: Bool = true, color: Color = .rgb, resize: Resize? = nil, crop: Size? = nil,
        divisor: Double = 255, mean: [Double] = [], std: [Double] = [], layout: Layout = .nchw
    ) {
        self.exifOrientation = exifOrientation
        self.color = color
        self.resize = resize
        self.crop = crop
        self.divisor = divisor
        self.mean = mean
        self.std = std
        self.layout = layout
    }

    public var channels: Int { color == .l ? 1 : 3 }

    /// Why these choices contradict each other; nil where they don't.
    var contradiction: String? {
        if !mean.isEmpty && mean.count != channels { return "mean needs \(channels) value(s), given \(mean.count)" }
        if !std.isEmpty && std.count != channels { return "std needs \(channels) value(s), given \(std.count)" }
        if !(divisor > 0) || std.contains(where: { !($0 > 0) }) { return "divisor and std must be above 0" }
        if resize?.mode == .cover && crop == nil { return "resize mode \"cover\" needs a crop" }
        return nil
    }
}

/// From sound to log-mel features: docs/audio-preprocessing.md defines every field.
public struct AudioSpec: Decodable, Sendable, Equatable {
    public enum Window: String, Decodable, Sendable {
        case hann, hamming
    }

    public enum MelScale: String, Decodable, Sendable {
        case htk, slaney
    }

    public enum MelNorm: String, Decodable, Sendable {
        case none, slaney
    }

    public enum Logarithm: String, Decodable, Sendable {
        case ln, log10
    }

    public let sampleRate: Int
    public let clipSamples: Int
    public let preemphasis: Double
    public let window: Window
    public let windowSamples: Int
    public let hopSamples: Int
    public let fftSize: Int
    public let mels: Int
    public let melScale: MelScale
    public let melNorm: MelNorm
    public let fmin: Double
    public let fmax: Double
    public let log: Logarithm
    public let logFloor: Double
    public let logOffset: Double
    public let mean: [Double]
    public let std: [Double]

    private enum CodingKeys: String, CodingKey {
        case preemphasis, window, mels, fmin, fmax, log, mean, std
        case sampleRate = "sample_rate"
        case clipSamples = "clip_samples"
        case windowSamples = "window_samples"
        case hopSamples = "hop_samples"
        case fftSize = "fft_size"
        case melScale = "mel_scale"
        case melNorm = "mel_norm"
        case logFloor = "log_floor"
        case logOffset = "log_offset"
    }

    /// How many windows fit into a clip.
    public var frames: Int { 1 + (clipSamples - windowSamples) / hopSamples }

    /// Why these choices contradict each other; nil where they don't.
    var contradiction: String? {
        if !(4_000...192_000).contains(sampleRate) { return "sample_rate must be 4000 to 192000" }
        if !(2...65_536).contains(fftSize) || fftSize & (fftSize - 1) != 0 { return "fft_size must be a power of two" }
        if !(2...fftSize).contains(windowSamples) { return "window_samples must be 2 to fft_size" }
        if !(1...windowSamples).contains(hopSamples) { return "hop_samples must be 1 to window_samples" }
        if !(windowSamples...(1 << 24)).contains(clipSamples) { return "clip_samples must hold a window" }
        if !(1...512).contains(mels) { return "mels must be 1 to 512" }
        if !(fmin >= 0 && fmin < fmax && fmax <= Double(sampleRate) / 2) { return "fmin < fmax <= half of sample_rate" }
        if ![0, 1, mels].contains(mean.count) { return "mean needs no value, 1, or \(mels)" }
        if ![0, 1, mels].contains(std.count) { return "std needs no value, 1, or \(mels)" }
        if std.contains(where: { !($0 > 0) }) { return "std must be above 0" }
        if !(logFloor >= 0 && logOffset >= 0 && logFloor + logOffset > 0) { return "log_floor, log_offset: not both 0" }
        return nil
    }
}
