/// Wav: RIFF/WAVE bytes -> samples. Refuses, by name, whatever is not a whole file of a known kind:
/// docs/audio-preprocessing.md, step 1.
import Foundation

/// A decoded sound: samples as float64, whole numbers divided by 2^(bits - 1), channels side by side.
public struct Wav: Sendable, Equatable {
    public let rate: Int
    public let channels: Int
    public let samples: [Double]

    public init(rate: Int, channels: Int, samples: [Double]) {
        self.rate = rate
        self.channels = channels
        self.samples = samples
    }

    /// Step 2: the sum over the channels, from the first to the last, divided by their number.
    public var mono: [Double] {
        guard channels > 1 else { return samples }
        return stride(from: 0, to: samples.count, by: channels).map { start in
            var total = 0.0
            for channel in 0..<channels {
                total += samples[start + channel]
            }
            return total / Double(channels)
        }
    }
}

/// Decodes PCM of 8, 16, 24 or 32 bits or floats of 32 or 64 bits, also as WAVE_FORMAT_EXTENSIBLE.
public func readWav(_ data: Data, name: String) throws -> Wav {
    do {
        return try WavReader(bytes: [UInt8](data)).read()
    } catch let problem as WavProblem {
        throw InputError(
            "\(name): not a WAV file that can be read: \(problem.words)",
            hint: "save it as 16-bit PCM: ffmpeg -i FILE -c:a pcm_s16le NEW.wav"
        )
    }
}

private struct WavProblem: Error {
    let words: String
}

private struct WavFormat {
    let tag: Int
    let channels: Int
    let rate: Int
    let align: Int
    let bits: Int
}

private struct WavReader {
    let bytes: [UInt8]

    private static let pcm = 1
    private static let floats = 3
    private static let extensible = 0xFFFE
    private static let guidTail: [UInt8] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]

    func read() throws -> Wav {
        guard !bytes.isEmpty else { throw WavProblem(words: "it is empty") }
        guard bytes.count >= 12, text(0) == "RIFF", text(8) == "WAVE" else {
            throw WavProblem(words: "it does not begin with RIFF … WAVE")
        }
        var position = 12
        var format: WavFormat?
        while position + 8 <= bytes.count {
            let kind = text(position)
            let size = whole(position + 4, 4)
            let there = bytes.count - position - 8
            guard size <= there else {
                throw WavProblem(words: "truncated: its chunk \(kind) has \(there) of \(size) bytes")
            }
            let body = (position + 8)..<(position + 8 + size)
            if kind == "fmt " {
                format = try readFormat(body)
            } else if kind == "data" {
                guard let format else { throw WavProblem(words: "its sound comes before its format") }
                try check(format, bytes: body.count)
                return try decoded(body, format)
            }
            position += 8 + size + size % 2
        }
        throw WavProblem(words: "truncated: it holds no sound")
    }

    private func readFormat(_ body: Range<Int>) throws -> WavFormat {
        guard body.count >= 16 else {
            throw WavProblem(words: "its format chunk has \(body.count) bytes, at least 16 needed")
        }
        let start = body.lowerBound
        var tag = whole(start, 2)
        if tag == WavReader.extensible {
            guard body.count >= 40, Array(bytes[(start + 26)..<(start + 40)]) == WavReader.guidTail else {
                throw WavProblem(words: "its extensible format is of an unknown kind")
            }
            tag = whole(start + 24, 2)
        }
        return WavFormat(
            tag: tag, channels: whole(start + 2, 2), rate: whole(start + 4, 4), align: whole(start + 12, 2),
            bits: whole(start + 14, 2)
        )
    }

    private func check(_ format: WavFormat, bytes count: Int) throws {
        let known = (format.tag == WavReader.pcm && [8, 16, 24, 32].contains(format.bits))
            || (format.tag == WavReader.floats && [32, 64].contains(format.bits))
        guard known else {
            throw WavProblem(
                words: "format \(format.tag) of \(format.bits) bits; "
                    + "PCM of 8, 16, 24, 32 and floats of 32, 64 bits are read"
            )
        }
        guard format.channels > 0, format.align == format.channels * format.bits / 8 else {
            throw WavProblem(words: "\(format.channels) channels of \(format.bits) bits in \(format.align) bytes")
        }
        guard (4_000...192_000).contains(format.rate) else {
            throw WavProblem(words: "its sampling rate is \(format.rate) Hz; 4,000 to 192,000 Hz are read")
        }
        guard count > 0 else { throw WavProblem(words: "it holds no sample") }
        guard count % format.align == 0 else {
            throw WavProblem(words: "its sound ends in the middle of a sample")
        }
    }

    private func decoded(_ body: Range<Int>, _ format: WavFormat) throws -> Wav {
        let size = format.bits / 8
        var samples: [Double] = []
        samples.reserveCapacity(body.count / size)
        for at in stride(from: body.lowerBound, to: body.upperBound, by: size) {
            let value = sample(at, format)
            guard value.isFinite else { throw WavProblem(words: "it holds NaN or infinity") }
            samples.append(value)
        }
        return Wav(rate: format.rate, channels: format.channels, samples: samples)
    }

    private func sample(_ at: Int, _ format: WavFormat) -> Double {
        if format.tag == WavReader.floats {
            return format.bits == 32
                ? Double(Float(bitPattern: UInt32(truncatingIfNeeded: whole(at, 4))))
                : Double(bitPattern: wide(at))
        }
        switch format.bits {
        case 8: return (Double(bytes[at]) - 128) / 128
        case 16: return Double(Int16(truncatingIfNeeded: whole(at, 2))) / 32_768
        case 24: return Double(Int32(truncatingIfNeeded: whole(at, 3) << 8) >> 8) / 8_388_608
        default: return Double(Int32(truncatingIfNeeded: whole(at, 4))) / 2_147_483_648
        }
    }

    /// An unsigned little-endian number of up to 4 bytes.
    private func whole(_ at: Int, _ size: Int) -> Int {
        var value = 0
        for k in 0..<size {
            value |= Int(bytes[at + k]) << (8 * k)
        }
        return value
    }

    private func wide(_ at: Int) -> UInt64 {
        var value: UInt64 = 0
        for k in 0..<8 {
            value |= UInt64(bytes[at + k]) << UInt64(8 * k)
        }
        return value
    }

    private func text(_ at: Int) -> String {
        String(decoding: bytes[at..<(at + 4)], as: UTF8.self)
    }
}
