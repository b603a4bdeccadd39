package dev.mobilekit

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/** Fraction bits of a weight: 32 less 8 for the pixel and 2 for sums below 0 and above 1. */
internal const val PRECISION_BITS = 22

/**
 * For each output its inputs, from [first] on, and their weights: those from [offset] on in [weights], up to the next
 * output's. One array for all, so that a pass runs through memory in order.
 */
internal class Windows(val first: IntArray, val offset: IntArray, val weights: IntArray) {
    val count: Int get() = first.size

    /** One beyond the last input that any output looks at. */
    fun after(): Int = first.indices.maxOf { first[it] + offset[it + 1] - offset[it] }

    /** The same for an input that begins at [start]. */
    fun from(start: Int): Windows = if (start == 0) this else Windows(IntArray(count) { first[it] - start }, offset, weights)
}

private data class Key(val source: Int, val size: Int, val interpolation: Interpolation, val antialias: Boolean)

private const val KEPT = 8

// A camera gives the same size frame after frame.
private val kept = object : LinkedHashMap<Key, Windows>(16, 0.75f, true) {
    override fun removeEldestEntry(eldest: MutableMap.MutableEntry<Key, Windows>?) = size > KEPT
}

/** The windows along one side: cut off at the border, their weights normalised in float64, then rounded. */
internal fun windows(source: Int, size: Int, interpolation: Interpolation, antialias: Boolean): Windows {
    val key = Key(source, size, interpolation, antialias)
    synchronized(kept) { kept[key] }?.let { return it }
    return computed(key).also { synchronized(kept) { kept[key] = it } }
}

private fun computed(key: Key): Windows {
    val filter = filterCalled(key.interpolation)
    val scale = key.source.toDouble() / key.size
    val stretch = if (key.antialias) max(scale, 1.0) else 1.0
    val support = filter.reach * stretch
    val first = IntArray(key.size)
    val offset = IntArray(key.size + 1)
    for (i in 0 until key.size) {
        val center = (i + 0.5) * scale
        first[i] = max((center - support + 0.5).toInt(), 0)
        offset[i + 1] = offset[i] + min((center + support + 0.5).toInt(), key.source) - first[i]
    }
    val weights = IntArray(offset[key.size])
    for (i in 0 until key.size) {
        val center = (i + 0.5) * scale
        val window = DoubleArray(offset[i + 1] - offset[i]) { filter.at((first[i] + it - center + 0.5) * (1.0 / stretch)) }
        var total = 0.0
        for (weight in window) total += weight // one after the other: the order of a sum shows in its last bit
        for (tap in window.indices) {
            val weight = (if (total != 0.0) window[tap] / total else window[tap]) * (1 shl PRECISION_BITS)
            weights[offset[i] + tap] = (if (weight < 0) weight - 0.5 else weight + 0.5).toInt()
        }
    }
    return Windows(first, offset, weights)
}

private class Filter(val reach: Double, val at: (Double) -> Double)

private fun filterCalled(interpolation: Interpolation): Filter = when (interpolation) {
    Interpolation.NEAREST -> error("nearest has no weights")
    Interpolation.BOX -> Filter(0.5) { x -> if (x > -0.5 && x <= 0.5) 1.0 else 0.0 }
    Interpolation.BILINEAR -> Filter(1.0) { x -> max(1.0 - abs(x), 0.0) }
    Interpolation.HAMMING -> Filter(1.0) { hamming(abs(it)) }
    Interpolation.BICUBIC -> Filter(2.0) { bicubic(abs(it)) }
    Interpolation.LANCZOS -> Filter(3.0) { x -> if (x >= -3.0 && x < 3.0) sinc(x) * sinc(x / 3) else 0.0 }
}

// Pillow writes 0.54f and 0.46f: the nearest float32 numbers, used in float64.
private fun hamming(x: Double) =
    if (x < 1.0) sinc(x) * (0.54f.toDouble() + 0.46f.toDouble() * StrictMath.cos(x * Math.PI)) else 0.0

private fun bicubic(x: Double) = when {
    x < 1.0 -> (1.5 * x - 2.5) * x * x + 1
    x < 2.0 -> (((x - 5) * x + 8) * x - 4) * -0.5
    else -> 0.0
}

// StrictMath: the same bits on every JVM and phone.
private fun sinc(x: Double): Double {
    val angle = x * Math.PI
    return if (angle == 0.0) 1.0 else StrictMath.sin(angle) / angle
}
