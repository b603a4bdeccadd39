package dev.mobilekit

import kotlin.math.max

/**
 * A sound -> waveform -> log-mel features, in the order of docs/audio-preprocessing.md. Everything inside is float64;
 * waveform and features are rounded to float32 once. Frames do not depend on how the sound is cut into pieces.
 */
class AudioPreprocessor(val spec: AudioSpec, private val name: String = "features") {
    private val window = windowFunction(spec)
    private val filters = melFilters(spec)

    /** Steps 2 to 4: float32 of exactly `clip_samples`, mono, at the model's rate, cut at the end or padded with 0. */
    fun waveform(sound: Sound): FloatArray {
        val resampled = resampleSound(sound.mono(), sound.rate, spec.sampleRate, spec.clipSamples)
        val clip = FloatArray(spec.clipSamples)
        for (index in resampled.indices) {
            clip[index] = resampled[index].toFloat()
            if (clip[index].isInfinite()) throw InputException("a sample is beyond float32", "floats of -1 to 1 are usual")
        }
        return clip
    }

    /** Steps 5 to 9: float32 (1, frames, mels) of a waveform that is one window long at least. */
    fun tensor(waveform: FloatArray): Tensor {
        if (waveform.size < spec.windowSamples) {
            throw InputException("a sound of ${waveform.size} samples is shorter than one window (${spec.windowSamples})")
        }
        if (waveform.any { it.isNaN() || it.isInfinite() }) throw InputException("the waveform holds NaN or infinity")
        val frames = stream().push(waveform)
        val values = FloatArray(frames.size * spec.mels)
        frames.forEachIndexed { index, frame -> frame.copyInto(values, index * spec.mels) }
        return Tensor.of(name, listOf(1, frames.size, spec.mels), values)
    }

    /** Features of sound that comes piece by piece. */
    fun stream(): AudioStream = AudioStream(spec, window, filters)
}

/**
 * Frames as the sound comes, the same bits as of the whole: each is made as soon as its last sample is there. Keeps
 * less than a window of samples. Not for two threads at once.
 */
class AudioStream internal constructor(
    private val spec: AudioSpec,
    private val window: DoubleArray,
    private val filters: List<MelFilter>,
) {
    private val fft = Fft(spec.fftSize)
    private val power = DoubleArray(spec.fftSize / 2 + 1)
    private val frame = DoubleArray(spec.windowSamples)
    private val kept = DoubleArray(spec.windowSamples)
    private var held = 0
    private var before = 0.0

    constructor(spec: AudioSpec) : this(spec, windowFunction(spec), melFilters(spec))

    /** Any number of samples at the model's rate, those from [from] on, [count] of them -> the frames they complete. */
    fun push(samples: FloatArray, from: Int = 0, count: Int = samples.size - from): List<FloatArray> {
        val frames = mutableListOf<FloatArray>()
        for (index in from until from + count) {
            val sample = samples[index].toDouble()
            kept[held++] = if (spec.preemphasis == 0.0) sample else sample - spec.preemphasis * before
            before = sample
            if (held == spec.windowSamples) {
                frames += logMel()
                kept.copyInto(kept, 0, spec.hopSamples, held)
                held -= spec.hopSamples
            }
        }
        return frames
    }

    /** Forgets all sound: the next sample is the first one. */
    fun reset() {
        held = 0
        before = 0.0
    }

    private fun logMel(): FloatArray {
        for (index in frame.indices) frame[index] = kept[index] * window[index]
        fft.power(frame, power)
        return FloatArray(spec.mels) { mel ->
            val sum = max(filters[mel].sum(power), spec.logFloor) + spec.logOffset
            val log = if (spec.log == LogBase.LN) StrictMath.log(sum) else StrictMath.log10(sum)
            ((log - constant(spec.mean, mel, 0.0)) / constant(spec.std, mel, 1.0)).toFloat()
        }
    }
}

private fun constant(values: List<Double>, mel: Int, default: Double): Double = when (values.size) {
    0 -> default
    1 -> values[0]
    else -> values[mel]
}

/** Periodic: its divisor is the length of the window. */
internal fun windowFunction(spec: AudioSpec): DoubleArray {
    val a = if (spec.window == AudioWindow.HANN) 0.5 else 0.54
    return DoubleArray(spec.windowSamples) { a - (1 - a) * StrictMath.cos(2 * Math.PI * it / spec.windowSamples) }
}
