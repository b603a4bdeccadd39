package dev.mobilekit

import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min

private const val BREAK_HZ = 1000.0
private const val BREAK_MEL = 15.0
private val LOG_STEP = StrictMath.log(6.4) / 27 // Slaney, Auditory Toolbox, 1998

/** One triangle over the spectrum: its weights from the bin [first] on. */
internal class MelFilter(val first: Int, val weights: DoubleArray) {
    /** From the lowest bin on, one after the other. */
    fun sum(power: DoubleArray): Double {
        var total = 0.0
        for (index in weights.indices) total += power[first + index] * weights[index]
        return total
    }
}

/** Step 8 of docs/audio-preprocessing.md. */
internal fun melFilters(spec: AudioSpec): List<MelFilter> {
    val points = melPoints(spec)
    val width = spec.sampleRate.toDouble() / spec.fftSize
    return List(spec.mels) { index ->
        val low = points[index]
        val middle = points[index + 1]
        val high = points[index + 2]
        val area = if (spec.melNorm == MelNorm.SLANEY) 2.0 / (high - low) else 1.0
        val all = DoubleArray(spec.fftSize / 2 + 1) { bin ->
            val frequency = bin * width
            min((frequency - low) / (middle - low), (high - frequency) / (high - middle))
        }
        val first = all.indexOfFirst { it > 0 }
        val last = all.indexOfLast { it > 0 }
        MelFilter(max(first, 0), if (first < 0) DoubleArray(0) else DoubleArray(last - first + 1) { all[first + it] * area })
    }
}

/** The first filter that would lie between two bins and hear nothing; null where each hears something. */
internal fun deafFilter(spec: AudioSpec): Int? {
    val points = melPoints(spec)
    val width = spec.sampleRate.toDouble() / spec.fftSize
    return (0 until spec.mels).firstOrNull { (floor(points[it] / width) + 1) * width >= points[it + 2] }
}

private fun melPoints(spec: AudioSpec): DoubleArray {
    val low = hzToMel(spec.fmin, spec.melScale)
    val high = hzToMel(spec.fmax, spec.melScale)
    val step = (high - low) / (spec.mels + 1)
    return DoubleArray(spec.mels + 2) { melToHz(low + it * step, spec.melScale) }
}

private fun hzToMel(hz: Double, scale: MelScale): Double = when {
    scale == MelScale.HTK -> 2595.0 * StrictMath.log10(1.0 + hz / 700.0)
    hz < BREAK_HZ -> hz * 3.0 / 200.0
    else -> BREAK_MEL + StrictMath.log(hz / BREAK_HZ) / LOG_STEP
}

private fun melToHz(mel: Double, scale: MelScale): Double = when {
    scale == MelScale.HTK -> 700.0 * (StrictMath.pow(10.0, mel / 2595.0) - 1.0)
    mel < BREAK_MEL -> mel * 200.0 / 3.0
    else -> BREAK_HZ * StrictMath.exp(LOG_STEP * (mel - BREAK_MEL))
}
