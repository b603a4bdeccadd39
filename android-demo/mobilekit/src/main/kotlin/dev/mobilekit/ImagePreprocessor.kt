package dev.mobilekit

/**
 * Decoded, upright RGB pixels -> the model's input tensor, in the order and to the bit of docs/preprocessing.md:
 * colour, resize, crop, normalise, layout. Safe for several threads. It decodes nothing; see [oriented] for step 2.
 */
class ImagePreprocessor(val spec: ImageSpec, private val name: String = "image") {
    private val table = normalizedValues(spec)

    /** Steps 3 to 7. Throws [InputException] for what is not RGB, or what the resize would make too large. */
    fun tensor(pixels: Pixels): Tensor = when (spec.color) {
        // Nothing in between mixes channels: swapping the few pixels that are left gives the same.
        Color.BGR -> normalize(colored(crop(resize(pixels))))
        else -> normalize(crop(resize(colored(pixels))))
    }

    /** Step 3: RGB -> the channels of the model. */
    fun colored(pixels: Pixels): Pixels {
        if (pixels.channels != 3) throw InputException("an RGB image is needed, not $pixels")
        return when (spec.color) {
            Color.RGB -> pixels
            Color.BGR -> swapped(pixels)
            Color.L -> luma(pixels)
        }
    }

    /** Step 4: resampled, and padded where the mode is fit. */
    fun resize(pixels: Pixels): Pixels {
        val resize = spec.resize ?: return pixels
        val size = resizedSize(pixels.height, pixels.width, resize)
        checkImageSize(size.width, size.height)
        val resampled = resample(pixels, size, resize.interpolation, resize.antialias)
        return if (resize.mode == ResizeMode.FIT) padded(resampled, resize.size, resize.padValue) else resampled
    }

    /** Step 5: cut around the centre, black where the image is smaller. */
    fun crop(pixels: Pixels): Pixels = spec.crop?.let { centerCropped(pixels, it) } ?: pixels

    /** Steps 6 and 7: (float32(x) / divisor - mean) / std of each value, in the layout of the model. */
    fun normalize(pixels: Pixels): Tensor {
        val channels = spec.color.channels
        if (pixels.channels != channels) throw InputException("$channels channels are needed, not $pixels")
        val area = pixels.width * pixels.height
        val data = Tensor.buffer(Math.multiplyExact(area, channels * 4))
        val values = FloatArray(area * channels)
        for (channel in 0 until channels) {
            val row = channel * VALUES
            val step = if (spec.layout == Layout.NCHW) 1 else channels
            var to = if (spec.layout == Layout.NCHW) channel * area else channel
            var from = channel
            for (index in 0 until area) {
                values[to] = table[row + (pixels.bytes[from].toInt() and 0xFF)]
                from += channels
                to += step
            }
        }
        data.asFloatBuffer().put(values)
        val shape = when (spec.layout) {
            Layout.NCHW -> listOf(1, channels, pixels.height, pixels.width)
            Layout.NHWC -> listOf(1, pixels.height, pixels.width, channels)
        }
        return Tensor(name, DType.FLOAT32, shape, data)
    }
}

private const val VALUES = 256

/** What each of the 256 values becomes, channel after channel. */
private fun normalizedValues(spec: ImageSpec) =
    FloatArray(spec.color.channels * VALUES) { normalized(it % VALUES, spec, it / VALUES) }

/** Every constant and every operation rounds to float32, as numpy's do. */
internal fun normalized(value: Int, spec: ImageSpec, channel: Int): Float {
    val mean = spec.mean.getOrElse(channel) { 0.0 }.toFloat()
    val std = spec.std.getOrElse(channel) { 1.0 }.toFloat()
    return (value.toFloat() / spec.divisor.toFloat() - mean) / std
}

private fun swapped(pixels: Pixels): Pixels {
    val from = pixels.bytes
    val to = ByteArray(from.size)
    for (at in from.indices step 3) {
        to[at] = from[at + 2]
        to[at + 1] = from[at + 1]
        to[at + 2] = from[at]
    }
    return Pixels(pixels.width, pixels.height, to)
}

/** ITU-R 601-2 luma in 16-bit fixed point, as Pillow rounds it. */
private fun luma(pixels: Pixels): Pixels {
    val from = pixels.bytes
    val to = ByteArray(pixels.width * pixels.height)
    for (index in to.indices) {
        val at = 3 * index
        val red = from[at].toInt() and 0xFF
        val green = from[at + 1].toInt() and 0xFF
        val blue = from[at + 2].toInt() and 0xFF
        to[index] = (19595 * red + 38470 * green + 7471 * blue + 32768 shr 16).toByte()
    }
    return Pixels(pixels.width, pixels.height, to, 1)
}
