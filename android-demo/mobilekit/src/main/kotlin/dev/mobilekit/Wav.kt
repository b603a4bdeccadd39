package dev.mobilekit

import java.nio.ByteBuffer
import java.nio.ByteOrder

internal const val LOWEST_RATE = 4_000
internal const val HIGHEST_RATE = 192_000
private const val PCM = 1
private const val FLOAT = 3
private const val EXTENSIBLE = 0xFFFE
private const val WAV_HINT = "save it as 16-bit PCM: ffmpeg -i FILE -c:a pcm_s16le NEW.wav"
private val GUID_TAIL = byteArrayOf(0, 0, 0, 0, 0x10, 0, -0x80, 0, 0, -0x56, 0, 0x38, -0x65, 0x71)

/** A sound: one array of float64 per channel, whole numbers divided by 2^(bits - 1), floats as they are. */
class Sound(val rate: Int, val channels: List<DoubleArray>) {
    /** How many samples each channel has. */
    val length: Int get() = channels[0].size

    /** The sum over the channels, from the first to the last, divided by their number. */
    fun mono(): DoubleArray = DoubleArray(length) { at ->
        var sum = 0.0
        for (channel in channels) sum += channel[at]
        sum / channels.size
    }
}

private class Format(val tag: Int, val channels: Int, val rate: Int, val align: Int, val bits: Int)

/**
 * Step 1 of docs/audio-preprocessing.md: PCM of 8, 16, 24 or 32 bits or floats of 32 or 64 bits, also as
 * WAVE_FORMAT_EXTENSIBLE; what comes after [mostSeconds] is left undecoded. Throws [InputException] naming [name] for
 * every other file, whatever is in it.
 */
fun readWav(encoded: ByteArray, name: String = "sound", mostSeconds: Double? = null): Sound {
    fun refuse(why: String): Nothing = throw InputException("$name: not a WAV file that can be read: $why", WAV_HINT)
    if (encoded.isEmpty()) refuse("it is empty")
    val bytes = ByteBuffer.wrap(encoded).order(ByteOrder.LITTLE_ENDIAN)
    if (encoded.size < 12 || four(encoded, 0) != "RIFF" || four(encoded, 8) != "WAVE") {
        refuse("it does not begin with RIFF … WAVE")
    }
    var at = 12L
    var format: Format? = null
    while (at + 8 <= encoded.size) {
        val kind = four(encoded, at.toInt())
        val size = bytes.getInt(at.toInt() + 4).toLong() and 0xFFFFFFFFL
        val body = at.toInt() + 8
        val there = encoded.size - body
        if (size > there) refuse("truncated: its chunk $kind has $there of $size bytes")
        if (kind == "fmt ") {
            format = format(bytes, body, size.toInt(), encoded, ::refuse)
        } else if (kind == "data") {
            val known = format ?: refuse("its sound comes before its format")
            problem(known, size)?.let { refuse(it) }
            val most = mostSeconds?.let { (it * known.rate).toInt() + 1 } ?: Int.MAX_VALUE
            val channels = decoded(bytes, body, minOf(size.toInt() / known.align, most), known)
            if (channels.any { channel -> channel.any { it.isNaN() || it.isInfinite() } }) refuse("it holds NaN or infinity")
            return Sound(known.rate, channels)
        }
        at += 8 + size + size % 2
    }
    refuse("truncated: it holds no sound")
}

private fun four(bytes: ByteArray, at: Int) = String(bytes, at, 4, Charsets.ISO_8859_1)

private fun format(bytes: ByteBuffer, at: Int, size: Int, encoded: ByteArray, refuse: (String) -> Nothing): Format {
    if (size < 16) refuse("its format chunk has $size bytes, at least 16 needed")
    fun short(offset: Int) = bytes.getShort(at + offset).toInt() and 0xFFFF
    var tag = short(0)
    if (tag == EXTENSIBLE) {
        if (size < 40 || !encoded.copyOfRange(at + 26, at + 40).contentEquals(GUID_TAIL)) {
            refuse("its extensible format is of an unknown kind")
        }
        tag = short(24)
    }
    return Format(tag, short(2), bytes.getInt(at + 4), short(12), short(14))
}

private fun problem(format: Format, size: Long): String? {
    val known = format.tag == PCM && format.bits in setOf(8, 16, 24, 32) || format.tag == FLOAT && format.bits in setOf(32, 64)
    return when {
        !known -> "format ${format.tag} of ${format.bits} bits; PCM of 8, 16, 24, 32 and floats of 32, 64 bits are read"
        format.channels == 0 || format.align != format.channels * format.bits / 8 ->
            "${format.channels} channels of ${format.bits} bits in ${format.align} bytes"
        format.rate !in LOWEST_RATE..HIGHEST_RATE ->
            "its sampling rate is ${format.rate} Hz; $LOWEST_RATE to $HIGHEST_RATE Hz are read"
        size == 0L -> "it holds no sample"
        size % format.align != 0L -> "its sound ends in the middle of a sample"
        else -> null
    }
}

private fun decoded(bytes: ByteBuffer, body: Int, count: Int, format: Format): List<DoubleArray> {
    val width = format.bits / 8
    val read: (Int) -> Double = when {
        format.tag == FLOAT && width == 4 -> { at -> bytes.getFloat(at).toDouble() }
        format.tag == FLOAT -> { at -> bytes.getDouble(at) }
        width == 1 -> { at -> ((bytes.get(at).toInt() and 0xFF) - 128) / 128.0 }
        width == 2 -> { at -> bytes.getShort(at) / 32768.0 }
        width == 3 -> { at ->
            ((bytes.getShort(at).toInt() and 0xFFFF) or (bytes.get(at + 2).toInt() shl 16)) / 8388608.0
        }
        else -> { at -> bytes.getInt(at) / 2147483648.0 }
    }
    return List(format.channels) { channel -> DoubleArray(count) { read(body + it * format.align + channel * width) } }
}
