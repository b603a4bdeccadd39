package dev.mobilekit

/**
 * An 8-bit image: row after row, the [channels] of a pixel side by side (RGB as decoders give it; BGR or grey after
 * the contract's colour step). Refuses bytes that do not fit the size, and images beyond the contract's limits.
 */
class Pixels(val width: Int, val height: Int, val bytes: ByteArray, val channels: Int = 3) {
    init {
        checkImageSize(width, height)
        require(channels in 1..4) { "an image has 1 to 4 channels, not $channels" }
        require(bytes.size.toLong() == width.toLong() * height * channels) {
            "an image of ${width}x$height pixels with $channels channels has ${width.toLong() * height * channels} " +
                "bytes, not ${bytes.size}"
        }
    }

    /** The value at a place, 0 to 255. */
    operator fun get(x: Int, y: Int, channel: Int): Int =
        bytes[(y * width + x) * channels + channel].toInt() and 0xFF

    override fun toString(): String = "${width}x$height pixels, $channels channels"

    companion object {
        /** The most pixels of an image at any step. */
        const val MOST_PIXELS = 1 shl 27

        /** The longest side of an image at any step. */
        const val LONGEST_SIDE = 65_535

        /** From colours as Android's Bitmap and AWT hold them, 0xAARRGGBB. Alpha is dropped, not blended. */
        fun fromArgb(width: Int, height: Int, colors: IntArray): Pixels {
            checkImageSize(width, height)
            return Pixels(width, height, ByteArray(width * height * 3).also { argbToRgb(colors, width * height, it, 0) })
        }

        /** [count] colours become 3 bytes each in [into] from [offset] on: a strip of a large photo at a time. */
        fun argbToRgb(colors: IntArray, count: Int, into: ByteArray, offset: Int) {
            var at = offset
            for (index in 0 until count) {
                val color = colors[index]
                into[at] = (color shr 16).toByte()
                into[at + 1] = (color shr 8).toByte()
                into[at + 2] = color.toByte()
                at += 3
            }
        }
    }
}

/** Throws [InputException] for an image beyond the contract's limits. 2^27 pixels of 3 channels still fit an array. */
internal fun checkImageSize(width: Int, height: Int) {
    if (width < 1 || height < 1) throw InputException("an image of ${width}x$height pixels is empty")
    val limit = width.toLong() * height > Pixels.MOST_PIXELS || maxOf(width, height) > Pixels.LONGEST_SIDE
    if (limit) {
        throw InputException(
            "an image of ${width}x$height pixels is too large",
            "at most ${Pixels.MOST_PIXELS} pixels and ${Pixels.LONGEST_SIDE} a side are taken",
        )
    }
}
