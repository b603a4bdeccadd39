package dev.mobilekit

private const val ORIENTATION_TAG = 0x0112
private const val PNG_SIGNATURE = 0x89504E47L

/**
 * EXIF's orientation (tag 0x0112) of a JPEG, PNG or WebP file: 1 to 8, and 1 where there is none or it cannot be read.
 * XMP is not looked at. Never throws, whatever is in the file.
 */
fun exifOrientation(encoded: ByteArray): Int {
    val bytes = Bytes(encoded, 0, encoded.size)
    val block = when {
        bytes.short(0, true) == 0xFFD8 -> inJpeg(bytes)
        bytes.int(0, true) == PNG_SIGNATURE -> inPng(bytes)
        bytes.text(0, "RIFF") && bytes.text(8, "WEBP") -> inWebp(bytes)
        else -> null
    } ?: return 1
    return orientation(block).takeIf { it in 1..8 } ?: 1
}

/** A part of an array; what is beyond its end reads as -1. */
private class Bytes(private val all: ByteArray, private val start: Int, val size: Int) {
    fun byte(at: Long): Int = if (at < 0 || at >= size) -1 else all[start + at.toInt()].toInt() and 0xFF

    fun short(at: Long, big: Boolean): Int {
        if (at < 0 || at + 2 > size) return -1
        return if (big) byte(at) shl 8 or byte(at + 1) else byte(at + 1) shl 8 or byte(at)
    }

    fun int(at: Long, big: Boolean): Long {
        if (at < 0 || at + 4 > size) return -1
        val high = short(if (big) at else at + 2, big).toLong()
        return high shl 16 or short(if (big) at + 2 else at, big).toLong()
    }

    fun text(at: Long, expected: String): Boolean = expected.indices.all { byte(at + it) == expected[it].code }

    fun part(at: Long, length: Long): Bytes? =
        if (at < 0 || length < 0 || at + length > size) null else Bytes(all, start + at.toInt(), length.toInt())
}

private fun inJpeg(bytes: Bytes): Bytes? {
    var at = 2L
    while (bytes.byte(at) == 0xFF) {
        val marker = bytes.byte(at + 1)
        if (marker == 0xFF) {
            at += 1 // fill bytes
            continue
        }
        if (marker == 0xD9 || marker == 0xDA || marker < 0) return null
        val length = bytes.short(at + 2, true)
        if (length < 2) return null
        if (marker == 0xE1 && bytes.text(at + 4, "Exif\u0000\u0000")) return bytes.part(at + 10, length - 8L)
        at += 2 + length
    }
    return null
}

private fun inPng(bytes: Bytes): Bytes? {
    var at = 8L
    while (true) {
        val length = bytes.int(at, true)
        if (length < 0) return null
        if (bytes.text(at + 4, "eXIf")) return bytes.part(at + 8, length)
        at += 12 + length
    }
}

private fun inWebp(bytes: Bytes): Bytes? {
    var at = 12L
    while (true) {
        val length = bytes.int(at + 4, false)
        if (length < 0) return null
        if (bytes.text(at, "EXIF")) {
            val prefix = if (bytes.text(at + 8, "Exif\u0000\u0000")) 6L else 0L
            return bytes.part(at + 8 + prefix, length - prefix)
        }
        at += 8 + length + length % 2
    }
}

/** The tag in the first directory of a TIFF block; 1 where it is not there. */
private fun orientation(tiff: Bytes): Int {
    val big = tiff.text(0, "MM")
    if (!big && !tiff.text(0, "II")) return 1
    val directory = tiff.int(4, big)
    if (directory < 0) return 1
    for (index in 0 until tiff.short(directory, big).coerceAtLeast(0)) {
        val entry = directory + 2 + 12L * index
        if (tiff.short(entry, big) == ORIENTATION_TAG) return tiff.short(entry + 8, big)
    }
    return 1
}
