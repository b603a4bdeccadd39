package dev.mobilekit

import kotlin.math.max

/** The size that an image is resampled to, before padding and crop. Integers only. */
internal fun resizedSize(height: Int, width: Int, resize: Resize): Size {
    val (h, w) = resize.size
    val byHeight = h.toLong() * width
    val byWidth = w.toLong() * height
    return when (resize.mode) {
        ResizeMode.STRETCH -> resize.size
        ResizeMode.COVER ->
            if (byHeight >= byWidth) sized(h.toLong(), byHeight / height) else sized(byWidth / width, w.toLong())
        ResizeMode.FIT ->
            if (byHeight <= byWidth) {
                sized(h.toLong(), max(1, (2 * byHeight + height) / (2L * height)))
            } else {
                sized(max(1, (2 * byWidth + width) / (2L * width)), w.toLong())
            }
    }
}

/** A side beyond every limit stays one, and does not wrap around. */
private fun sized(height: Long, width: Long) =
    Size(height.coerceAtMost(Int.MAX_VALUE.toLong()).toInt(), width.coerceAtMost(Int.MAX_VALUE.toLong()).toInt())

/** [value] around an image that is no larger than [size]; of an odd number the bottom or right gets one more. */
internal fun padded(pixels: Pixels, size: Size, value: Int): Pixels {
    if (pixels.height == size.height && pixels.width == size.width) return pixels
    checkImageSize(size.width, size.height)
    val top = (size.height - pixels.height) / 2
    val left = (size.width - pixels.width) / 2
    val line = pixels.width * pixels.channels
    val bytes = ByteArray(size.height * size.width * pixels.channels)
    if (value != 0) bytes.fill(value.toByte())
    for (y in 0 until pixels.height) {
        pixels.bytes.copyInto(bytes, ((top + y) * size.width + left) * pixels.channels, y * line, (y + 1) * line)
    }
    return Pixels(size.width, size.height, bytes, pixels.channels)
}

/** As torchvision's CenterCrop: zeros where the image is smaller, halves of a row to the even one. */
internal fun centerCropped(pixels: Pixels, size: Size): Pixels {
    val large = padded(pixels, Size(max(pixels.height, size.height), max(pixels.width, size.width)), 0)
    if (large.height == size.height && large.width == size.width) return large
    val top = halfToEven(large.height - size.height)
    val left = halfToEven(large.width - size.width)
    val line = size.width * large.channels
    val bytes = ByteArray(size.height * line)
    for (y in 0 until size.height) {
        val from = ((top + y) * large.width + left) * large.channels
        large.bytes.copyInto(bytes, y * line, from, from + line)
    }
    return Pixels(size.width, size.height, bytes, large.channels)
}

private fun halfToEven(difference: Int): Int {
    val half = difference shr 1
    return half + (difference and half and 1)
}
