package dev.mobilekit

import kotlin.math.abs
import kotlin.math.max

/** A part of the way from a file to an answer. */
enum class Stage { DECODE, PREPROCESS, OUTPUTS, LABEL }

/**
 * How far one stage of one sample is from the golden one: [distance] is the largest difference of any value (of an
 * image's [Stage.DECODE] the mean difference of a pixel, in levels), and [tolerance] what is allowed.
 */
data class StageResult(
    val sample: String,
    val stage: Stage,
    val distance: Double,
    val tolerance: Double,
    val passed: Boolean,
    /** In words, what was compared or what went wrong. */
    val detail: String,
)

/** Decodes an image file: RGB, turned upright as EXIF says where [upright] is set. */
fun interface ImageDecoder {
    fun pixels(encoded: ByteArray, upright: Boolean): Pixels
}

/**
 * Runs a bundle's golden samples: the same code in tests on the desk and on the phone. Each stage starts from the
 * golden result of the one before it, except that the model is given the tensors that were made here: file -> pixels;
 * golden pixels or waveform -> tensor; that tensor -> outputs; outputs -> class.
 */
object GoldenCheck {
    /**
     * Another JPEG decoder may round its inverse transform otherwise and spread colour over edges otherwise: a level
     * or so on average. An image that is turned, cut or of another colour order is off by tens of levels.
     */
    const val LOSSY_MEAN_LEVELS = 3.0

    /** Sound at another rate than the model's: sums in another order, rounded to float32. */
    const val RESAMPLED_SOUND = 1e-7

    /**
     * The samples for which the bundle holds outputs of [artifact]; [decode] null: images are not decoded. [goOn] is
     * asked before each sample, so that a screen can stop it.
     */
    fun run(
        bundle: Bundle,
        artifact: Artifact,
        runner: ModelRunner,
        decode: ImageDecoder? = null,
        goOn: () -> Boolean = { true },
    ): List<StageResult> {
        val session = bundle.manifest.stream?.let { StreamSession(bundle.manifest, artifact, runner) }
        val samples = bundle.manifest.golden.asSequence().takeWhile { goOn() }
        return samples.flatMap { Check(bundle, artifact, it, runner, session, decode).results() }.toList()
    }

    /** True where something was compared and all of it passed. */
    fun passed(results: List<StageResult>): Boolean = results.isNotEmpty() && results.all { it.passed }
}

private class Check(
    private val bundle: Bundle,
    private val artifact: Artifact,
    private val sample: GoldenSample,
    private val runner: ModelRunner,
    private val session: StreamSession?,
    private val decode: ImageDecoder?,
) {
    private val found = mutableListOf<StageResult>()

    fun results(): List<StageResult> {
        val expected = sample.outputs.firstOrNull { it.target == artifact.target && it.scheme == artifact.scheme } ?: return found
        stage(Stage.DECODE) { decoded() }
        val inputs = stage(Stage.PREPROCESS) { preprocessed() } ?: return found
        val outputs = stage(Stage.OUTPUTS) { answered(inputs, expected) } ?: return found
        if (bundle.manifest.model.task != Task.TENSOR) stage(Stage.LABEL) { label(outputs, expected) }
        return found
    }

    /** A stage that cannot be done is a result too: the others and the next samples go on. */
    private fun <T> stage(stage: Stage, work: () -> T?): T? = try {
        work()
    } catch (error: MobileKitException) {
        found += StageResult(sample.id, stage, Double.POSITIVE_INFINITY, 0.0, false, error.words)
        null
    }

    private fun decoded() {
        val encoded = sample.encoded ?: return
        when (val spec = bundle.manifest.preprocess) {
            is ImageSpec -> decodedImage(spec, encoded, decode ?: return, sample.pixels ?: return)
            is AudioSpec -> decodedSound(spec, encoded, sample.waveform ?: return)
            null -> return
        }
    }

    private fun decodedSound(spec: AudioSpec, encoded: FileEntry, golden: GoldenTensor) {
        val sound = readWav(bundle.read(encoded), sample.id, spec.clipSamples.toDouble() / spec.sampleRate + 1)
        val waveform = AudioPreprocessor(spec, golden.name).waveform(sound)
        val off = distance(Tensor.of(golden.name, listOf(waveform.size), waveform), bundle.tensor(golden))
        val tolerance = if (sound.rate == spec.sampleRate) 0.0 else GoldenCheck.RESAMPLED_SOUND
        add(Stage.DECODE, off, tolerance, "${sound.rate} Hz, ${sound.channels.size} channels")
    }

    private fun decodedImage(spec: ImageSpec, encoded: FileEntry, decoder: ImageDecoder, golden: GoldenTensor) {
        val expected = bundle.pixels(golden)
        val file = bundle.read(encoded)
        val pixels = decoder.pixels(file, spec.exifOrientation)
        if (pixels.width != expected.width || pixels.height != expected.height) {
            throw InputException("${sample.id} decodes to $pixels, expected are $expected")
        }
        var sum = 0L
        var most = 0
        for (index in expected.bytes.indices) {
            val off = abs((pixels.bytes[index].toInt() and 0xFF) - (expected.bytes[index].toInt() and 0xFF))
            sum += off
            most = max(most, off)
        }
        val mean = sum.toDouble() / expected.bytes.size
        val tolerance = if (isLossy(encoded.file)) GoldenCheck.LOSSY_MEAN_LEVELS else 0.0
        add(Stage.DECODE, mean, tolerance, "$pixels, mean level off; at most $most")
    }

    private fun isLossy(file: String) = file.endsWith(".jpg") || file.endsWith(".webp")

    /** The inputs made here, or the golden ones where the app makes its tensors itself. */
    private fun preprocessed(): List<Tensor> {
        val golden = sample.inputs.map { bundle.tensor(it) }
        val made = when (val spec = bundle.manifest.preprocess) {
            is ImageSpec -> sample.pixels?.let { ImagePreprocessor(spec, golden[0].name).tensor(bundle.pixels(it)) }
            is AudioSpec -> sample.waveform?.let { AudioPreprocessor(spec, golden[0].name).tensor(bundle.tensor(it).floats()) }
            null -> null
        } ?: return golden
        val distance = distance(made, golden[0])
        add(Stage.PREPROCESS, distance, sample.inputMaxAbsError, "tensor ${made.shape}")
        return listOf(made) + golden.drop(1)
    }

    private fun answered(inputs: List<Tensor>, expected: GoldenOutput): List<Tensor> {
        val stream = bundle.manifest.stream
        val outputs = if (session == null || stream == null) {
            runner.run(inputs.mapIndexed { index, input -> input.named(artifact.inputs[index].name) })
        } else {
            stacked(session.whole(inputs[bundle.manifest.sampleInput(stream.input)]))
        }
        if (outputs.size != expected.outputs.size) {
            throw RunnerException("${artifact.file} gave ${outputs.size} outputs, expected are ${expected.outputs.size}")
        }
        val worst = outputs.indices.maxOfOrNull { distance(outputs[it], bundle.tensor(expected.outputs[it])) } ?: 0.0
        add(Stage.OUTPUTS, worst, expected.maxAbsError, outputs.joinToString { it.shape.toString() })
        return outputs
    }

    /** Every call's output one after the other, as golden samples of streaming models hold them. */
    private fun stacked(calls: List<List<Tensor>>): List<Tensor> = calls[0].indices.map { index ->
        val parts = calls.map { it[index] }
        val data = Tensor.buffer(parts.sumOf { it.data.limit() })
        parts.forEach { data.put(it.bytes()) }
        Tensor(parts[0].name, parts[0].dtype, listOf(parts.size) + parts[0].shape, data)
    }

    /**
     * The class: how far below the golden answer's highest value the class lies that was found here. Where two classes
     * are as close as the outputs may be off, either is right.
     */
    private fun label(outputs: List<Tensor>, expected: GoldenOutput) {
        val golden = last(bundle.tensor(expected.outputs[0]))
        val answer = last(outputs[0])
        val ours = answer.indices.maxByOrNull { answer[it] } ?: throw RunnerException("${artifact.file} gave no value")
        val theirs = golden.indices.maxByOrNull { golden[it] } ?: throw BundleException("${sample.id} has no golden value")
        val names = bundle.labels
        fun called(index: Int) = names?.get(index) ?: index.toString()
        add(Stage.LABEL, golden[theirs] - golden[ours], 2 * expected.maxAbsError, "${called(ours)}, expected ${called(theirs)}")
    }

    /** The row that counts: of a stream the last call's. */
    private fun last(tensor: Tensor): DoubleArray {
        val values = tensor.values()
        val width = tensor.shape.lastOrNull() ?: 1
        return values.copyOfRange(max(0, values.size - width), values.size)
    }

    private fun add(stage: Stage, distance: Double, tolerance: Double, detail: String) {
        found += StageResult(sample.id, stage, distance, tolerance, distance <= tolerance, detail)
    }
}

private fun Manifest.sampleInput(name: String): Int {
    val found = stream?.wholeInputs?.indexOfFirst { it.name == name } ?: -1
    if (found < 0) throw BundleException("${Manifest.FILE}: stream names $name, which is no input of a whole sample")
    return found
}

/** The largest difference of any value; infinite for another shape and where one is NaN and the other is not. */
internal fun distance(one: Tensor, other: Tensor): Double {
    if (one.shape != other.shape || one.dtype != other.dtype) return Double.POSITIVE_INFINITY
    val left = one.values()
    val right = other.values()
    var most = 0.0
    for (index in left.indices) {
        if (left[index] == right[index] || left[index].isNaN() && right[index].isNaN()) continue
        val off = abs(left[index] - right[index])
        most = if (off.isNaN()) Double.POSITIVE_INFINITY else max(most, off)
    }
    return most
}
