package dev.mobilekit

/** One of the fixed or dynamic sizes of a tensor. */
sealed interface Dim {
    data class Fixed(val size: Int) : Dim

    /** A dynamic dimension; both bounds are inclusive. */
    data class Dynamic(val name: String, val min: Int, val max: Int) : Dim
}

/** An input or output of a model or of one artifact. */
data class TensorSpec(val name: String, val dtype: DType, val shape: List<Dim>) {
    /** The concrete shape with each dynamic dimension at its minimum: what an app uses that runs one sample at a time. */
    val smallest: List<Int> get() = shape.map { if (it is Dim.Fixed) it.size else (it as Dim.Dynamic).min }
}

/** From an encoded image or sound to the model's one input. */
sealed interface Preprocess

enum class Color(val label: String, val channels: Int) { RGB("RGB", 3), BGR("BGR", 3), L("L", 1) }

enum class ResizeMode(val label: String) { STRETCH("stretch"), COVER("cover"), FIT("fit") }

enum class Interpolation(val label: String) {
    NEAREST("nearest"), BOX("box"), BILINEAR("bilinear"), HAMMING("hamming"), BICUBIC("bicubic"), LANCZOS("lanczos")
}

enum class Layout(val label: String) { NCHW("NCHW"), NHWC("NHWC") }

/** Height first, as everywhere in the contract. */
data class Size(val height: Int, val width: Int)

data class Resize(
    val size: Size,
    val mode: ResizeMode = ResizeMode.STRETCH,
    val interpolation: Interpolation = Interpolation.BILINEAR,
    val antialias: Boolean = true,
    val padValue: Int = 0,
)

/** `preprocess` of kind `image`; docs/preprocessing.md defines every field. */
data class ImageSpec(
    val exifOrientation: Boolean = true,
    val color: Color = Color.RGB,
    val resize: Resize? = null,
    val crop: Size? = null,
    val divisor: Double = 255.0,
    val mean: List<Double> = emptyList(),
    val std: List<Double> = emptyList(),
    val layout: Layout = Layout.NCHW,
) : Preprocess

enum class AudioWindow(val label: String) { HANN("hann"), HAMMING("hamming") }

enum class MelScale(val label: String) { HTK("htk"), SLANEY("slaney") }

enum class MelNorm(val label: String) { NONE("none"), SLANEY("slaney") }

enum class LogBase(val label: String) { LN("ln"), LOG10("log10") }

/** `preprocess` of kind `audio`; docs/audio-preprocessing.md defines every field. */
data class AudioSpec(
    val sampleRate: Int = 16_000,
    val clipSamples: Int = 16_000,
    val preemphasis: Double = 0.0,
    val window: AudioWindow = AudioWindow.HANN,
    val windowSamples: Int = 640,
    val hopSamples: Int = 320,
    val fftSize: Int = 1024,
    val mels: Int = 40,
    val melScale: MelScale = MelScale.HTK,
    val melNorm: MelNorm = MelNorm.NONE,
    val fmin: Double = 20.0,
    val fmax: Double = 7600.0,
    val log: LogBase = LogBase.LN,
    val logFloor: Double = 0.0,
    val logOffset: Double = 1e-6,
    val mean: List<Double> = emptyList(),
    val std: List<Double> = emptyList(),
) : Preprocess {
    /** How many windows fit into a clip. */
    val frames: Int get() = 1 + (clipSamples - windowSamples) / hopSamples
}

/** A tensor that each call takes as [input] and gives back as [output] for the next one. */
data class StreamState(
    val input: String,
    val output: String,
    val dtype: DType,
    val shape: List<Int>,
    val initial: Double,
)

/** How an artifact is fed piece by piece: [frames] of [input] along [axis] in each call (docs/streaming.md). */
data class StreamSpec(
    val input: String,
    val axis: Int,
    val frames: Int,
    val states: List<StreamState>,
    /** The inputs of a whole sample, as golden samples hold them. */
    val wholeInputs: List<TensorSpec>,
)
