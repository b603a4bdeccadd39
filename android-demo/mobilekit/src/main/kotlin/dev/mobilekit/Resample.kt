package dev.mobilekit

/**
 * Pillow 13's 8-bit resampling, to the bit: windows of weights in float64, rounded to 22 fraction bits, then 32-bit
 * integers; two passes, each rounding to uint8. docs/preprocessing.md says the same in words. Never crops or pads.
 */
fun resample(pixels: Pixels, size: Size, interpolation: Interpolation, antialias: Boolean): Pixels {
    if (interpolation == Interpolation.NEAREST) return nearest(pixels, size)
    val across = { windows(pixels.width, size.width, interpolation, antialias) }
    val down = { windows(pixels.height, size.height, interpolation, antialias) }
    val shorter = size.height != pixels.height
    val narrower = size.width != pixels.width
    return when {
        !shorter && !narrower -> pixels
        !narrower -> columns(pixels, down(), 0, pixels.width)
        !shorter -> rows(pixels, across(), 0, pixels.height)
        columnsFirst(pixels, size) -> {
            val second = across()
            val first = second.first.min()
            val strip = columns(pixels, down(), first, second.after() - first)
            rows(strip, second.from(first), 0, strip.height)
        }
        else -> {
            val second = down()
            val first = second.first.min()
            val strip = rows(pixels, across(), first, second.after() - first)
            columns(strip, second.from(first), 0, strip.width)
        }
    }
}

/** Pillow 13's rule: columns first where the height shrinks by more than twice as many pixels as the width does. */
private fun columnsFirst(pixels: Pixels, size: Size): Boolean {
    val fewerRows = pixels.height - size.height
    return fewerRows > 0 && fewerRows > 2 * (pixels.width - size.width)
}

private const val HALF = 1 shl (PRECISION_BITS - 1)

private fun clipped(total: Int): Byte {
    val value = total shr PRECISION_BITS
    return (if (value < 0) 0 else if (value > 255) 255 else value).toByte()
}

/** Rows [top] to [top] + [count], each made as long as there are windows. */
private fun rows(pixels: Pixels, windows: Windows, top: Int, count: Int): Pixels {
    val channels = pixels.channels
    val width = windows.count
    val bytes = ByteArray(count * width * channels)
    for (y in 0 until count) {
        val from = (top + y) * pixels.width * channels
        val to = y * width * channels
        when (channels) {
            3 -> row3(pixels.bytes, from, bytes, to, windows)
            1 -> row1(pixels.bytes, from, bytes, to, windows)
            else -> for (channel in 0 until channels) row(pixels.bytes, from + channel, bytes, to + channel, channels, windows)
        }
    }
    return Pixels(width, count, bytes, channels)
}

// Three of a kind: with the channels side by side the weight is loaded once, and the compiler sees constant strides.

private fun row3(from: ByteArray, start: Int, to: ByteArray, first: Int, windows: Windows) {
    val weights = windows.weights
    var at = first
    for (x in 0 until windows.count) {
        var red = HALF
        var green = HALF
        var blue = HALF
        val base = start + 3 * windows.first[x]
        val offset = windows.offset[x]
        val taps = windows.offset[x + 1] - offset
        for (tap in 0 until taps) {
            val weight = weights[offset + tap]
            val place = base + 3 * tap
            red += weight * (from[place].toInt() and 0xFF)
            green += weight * (from[place + 1].toInt() and 0xFF)
            blue += weight * (from[place + 2].toInt() and 0xFF)
        }
        to[at] = clipped(red)
        to[at + 1] = clipped(green)
        to[at + 2] = clipped(blue)
        at += 3
    }
}

private fun row1(from: ByteArray, start: Int, to: ByteArray, first: Int, windows: Windows) {
    val weights = windows.weights
    for (x in 0 until windows.count) {
        var total = HALF
        val base = start + windows.first[x]
        val offset = windows.offset[x]
        val taps = windows.offset[x + 1] - offset
        for (tap in 0 until taps) total += weights[offset + tap] * (from[base + tap].toInt() and 0xFF)
        to[first + x] = clipped(total)
    }
}

private fun row(from: ByteArray, start: Int, to: ByteArray, first: Int, step: Int, windows: Windows) {
    for (x in 0 until windows.count) {
        var total = HALF
        for (index in windows.offset[x] until windows.offset[x + 1]) {
            val place = start + step * (windows.first[x] + index - windows.offset[x])
            total += windows.weights[index] * (from[place].toInt() and 0xFF)
        }
        to[first + step * x] = clipped(total)
    }
}

/** Columns [left] to [left] + [count], each made as long as there are windows: whole rows are added up at a time. */
private fun columns(pixels: Pixels, windows: Windows, left: Int, count: Int): Pixels {
    val channels = pixels.channels
    val line = count * channels
    val bytes = ByteArray(windows.count * line)
    val totals = IntArray(line)
    for (y in 0 until windows.count) {
        totals.fill(HALF)
        for (index in windows.offset[y] until windows.offset[y + 1]) {
            val from = ((windows.first[y] + index - windows.offset[y]) * pixels.width + left) * channels
            addRow(totals, windows.weights[index], pixels.bytes, from)
        }
        val to = y * line
        for (x in 0 until line) bytes[to + x] = clipped(totals[x])
    }
    return Pixels(count, windows.count, bytes, channels)
}

private fun addRow(totals: IntArray, weight: Int, from: ByteArray, start: Int) {
    for (x in totals.indices) totals[x] += weight * (from[start + x].toInt() and 0xFF)
}

private fun nearest(pixels: Pixels, size: Size): Pixels {
    val channels = pixels.channels
    val columns = positions(pixels.width, size.width)
    val rows = positions(pixels.height, size.height)
    val bytes = ByteArray(size.height * size.width * channels)
    var to = 0
    for (row in rows) {
        for (column in columns) {
            var from = (row * pixels.width + column) * channels
            repeat(channels) { bytes[to++] = pixels.bytes[from++] }
        }
    }
    return Pixels(size.width, size.height, bytes, channels)
}

/** (i + 0.5) * scale, rounded down, by repeated addition in float64, as Pillow computes it. */
private fun positions(source: Int, size: Int): IntArray {
    val scale = source.toDouble() / size
    var position = scale * 0.5
    return IntArray(size) { position.toInt().also { position += scale } }
}
