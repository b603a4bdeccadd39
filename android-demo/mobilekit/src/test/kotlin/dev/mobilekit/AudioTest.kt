package dev.mobilekit

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import kotlinx.serialization.json.jsonArray
import java.util.Base64
import java.util.Random
import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.sin

/** docs/audio-preprocessing.md: resampled sound within this, equal where the rates are. */
private const val WAVEFORM_TOLERANCE = 1e-7

/** docs/audio-preprocessing.md: an FFT's sums come in no one order, and the logarithm shows it. */
private const val FEATURE_TOLERANCE = 1e-4

class AudioTest {
    @TestFactory
    fun `the repository's golden vectors come out`(): List<DynamicTest> = Golden.jsonIn("audio").map { (name, case) ->
        dynamicTest(name) {
            val spec = Golden.preprocess(case.obj("spec")) as AudioSpec
            val sound = readWav(Base64.getDecoder().decode(case.text("encoded")), name)
            val preprocessor = AudioPreprocessor(spec)
            val waveform = preprocessor.waveform(sound)
            val expected = case.list("waveform").doubles()
            assertEquals(expected.size, waveform.size)
            val tolerance = if (sound.rate == spec.sampleRate) 0.0 else WAVEFORM_TOLERANCE
            val off = waveform.indices.maxOf { abs(waveform[it] - expected[it].toFloat().toDouble()) }
            assertTrue(off <= tolerance, "the waveform is $off off")
            val rows = case.list("features").map { it.jsonArray.doubles() }
            val features = preprocessor.tensor(waveform)
            assertEquals(listOf(1, rows.size, spec.mels), features.shape)
            val values = features.floats()
            val worst = values.indices.maxOf { abs(values[it] - rows[it / spec.mels][it % spec.mels]) }
            assertTrue(worst <= FEATURE_TOLERANCE, "the features are $worst off")
        }
    }

    @Test
    fun `sound that comes piece by piece has the features of the whole, bit for bit`() {
        val random = Random(2)
        for (spec in listOf(AudioSpec(), AudioSpec(preemphasis = 0.97, windowSamples = 401, hopSamples = 133, clipSamples = 5000))) {
            val sound = FloatArray(5000) { (sin(2 * PI * 440 * it / 16_000) * 0.5 + random.nextGaussian() * 0.01).toFloat() }
            val whole = AudioPreprocessor(spec).tensor(sound).floats()
            repeat(5) {
                val stream = AudioStream(spec)
                val frames = mutableListOf<FloatArray>()
                var at = 0
                while (at < sound.size) {
                    val count = minOf(random.nextInt(700), sound.size - at)
                    frames += stream.push(sound, at, count)
                    at += count
                }
                assertArrayEquals(whole, frames.flatMap { it.toList() }.toFloatArray(), 0f)
            }
        }
    }

    @Test
    fun `the spectrum is that of the definition`() {
        val random = Random(3)
        for (size in listOf(2, 4, 64, 1024)) {
            val frame = DoubleArray(size - size / 5) { random.nextGaussian() }
            val power = DoubleArray(size / 2 + 1)
            Fft(size).power(frame, power)
            for (bin in power.indices) {
                val re = frame.indices.sumOf { frame[it] * Math.cos(2 * PI * (bin.toLong() * it % size) / size) }
                val im = frame.indices.sumOf { frame[it] * Math.sin(2 * PI * (bin.toLong() * it % size) / size) }
                assertEquals(re * re + im * im, power[bin], 1e-9 * size)
            }
        }
    }

    @Test
    fun `a file that is no sound is refused in words, whatever is in it`() {
        val (_, case) = Golden.jsonIn("audio").first { it.first == "float-44100-hamming-preemphasis" }
        val file = Base64.getDecoder().decode(case.text("encoded"))
        val random = Random(4)
        var refused = 0
        repeat(4000) {
            val damaged = file.copyOf(if (it % 2 == 0) random.nextInt(file.size) else file.size)
            repeat(1 + random.nextInt(4)) { if (damaged.isNotEmpty()) damaged[random.nextInt(minOf(damaged.size, 64))] = random.nextInt(256).toByte() }
            try {
                readWav(damaged, "damaged.wav")
            } catch (error: InputException) {
                assertTrue(error.message!!.startsWith("damaged.wav: "), error.message)
                refused++
            }
        }
        assertTrue(refused > 2000, "$refused refused")
        assertThrows(InputException::class.java) { resampleSound(DoubleArray(10), 44_101, 16_000) }
    }
}
