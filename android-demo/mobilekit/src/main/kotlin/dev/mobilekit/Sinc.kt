package dev.mobilekit

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.min

private const val ZEROS = 32
private const val ROLLOFF = 0.95
private const val MOST_PHASES = 1000
private const val KEPT_TABLES = 4

/**
 * Step 3 of docs/audio-preprocessing.md: sound at [rate] Hz -> sound at [to] Hz, by a windowed sinc in float64; the
 * first [most] samples of it. Beyond its ends the sound is 0. Throws [InputException] for rates in no simple ratio.
 */
fun resampleSound(sound: DoubleArray, rate: Int, to: Int, most: Int = Int.MAX_VALUE): DoubleArray {
    require(rate > 0 && to > 0) { "rates are above 0, given $rate and $to" }
    val divisor = greatestCommonDivisor(rate, to)
    val step = rate / divisor
    val phases = to / divisor
    val whole = (sound.size.toLong() * phases + step - 1) / step
    val length = min(whole, most.toLong()).toInt()
    if (step == phases) return sound.copyOf(length)
    if (phases > MOST_PHASES) {
        throw InputException(
            "a sound of $rate Hz is in no simple ratio to the model's $to Hz",
            "save it at $to Hz: ffmpeg -i FILE -ar $to NEW.wav",
        )
    }
    val table = sincTable(step, phases)
    return DoubleArray(length) { n ->
        val position = n.toLong() * step
        val weights = table[(position % phases).toInt()]
        val first = (position / phases).toInt() - weights.size / 2
        var total = 0.0
        for (tap in maxOf(0, -first) until min(weights.size, sound.size - first)) total += weights[tap] * sound[first + tap]
        total
    }
}

private val tables = object : LinkedHashMap<Pair<Int, Int>, List<DoubleArray>>(8, 0.75f, true) {
    override fun removeEldestEntry(eldest: MutableMap.MutableEntry<Pair<Int, Int>, List<DoubleArray>>?) = size > KEPT_TABLES
}

private fun sincTable(step: Int, phases: Int): List<DoubleArray> {
    val key = step to phases
    synchronized(tables) { tables[key] }?.let { return it }
    return sincWeights(step, phases).also { synchronized(tables) { tables[key] = it } }
}

/** For the position (whole, phase / phases): what each input from whole - K to whole + K counts. */
private fun sincWeights(step: Int, phases: Int): List<DoubleArray> {
    val cutoff = ROLLOFF * min(1.0, phases.toDouble() / step)
    val reach = ZEROS / cutoff
    val taps = ceil(reach).toInt()
    return List(phases) { phase ->
        DoubleArray(2 * taps + 1) { tap ->
            val distance = tap - taps - phase.toDouble() / phases
            val cosine = StrictMath.cos(distance * (Math.PI / 2 / reach))
            if (abs(distance) < reach) cutoff * normalizedSinc(cutoff * distance) * (cosine * cosine) else 0.0
        }
    }
}

private fun normalizedSinc(x: Double): Double = if (x == 0.0) 1.0 else StrictMath.sin(Math.PI * x) / (Math.PI * x)

private tailrec fun greatestCommonDivisor(one: Int, other: Int): Int =
    if (other == 0) one else greatestCommonDivisor(other, one % other)
