package dev.mobilekit

import kotlin.math.abs

private const val LARGEST_SIDE = 16_384
private const val TINIEST_FLOAT32 = 1.1754943508222875e-38
private const val LARGEST_CONSTANT = 1e6

/** `preprocess` of bundle.json. Refuses what no image or sound could satisfy, as the exporter does. */
internal fun readPreprocess(from: Fields): Preprocess = when (val kind = from["kind"].text()) {
    "image" -> imageSpec(from)
    "audio" -> audioSpec(from)
    else -> from.wrong("kind $kind is unknown (have: image, audio)")
}

private fun imageSpec(from: Fields): ImageSpec {
    val spec = ImageSpec(
        exifOrientation = from["exif_orientation"].flag(),
        color = from["color"].oneOf(Color.entries.associateBy { it.label }),
        resize = from.orNull("resize")?.let { resize(it.fields()) },
        crop = from.orNull("crop")?.let { size(it) },
        divisor = float32(from["divisor"]),
        mean = from["mean"].list(::float32),
        std = from["std"].list(::float32),
        layout = from["layout"].oneOf(Layout.entries.associateBy { it.label }),
    )
    for ((name, values) in listOf("mean" to spec.mean, "std" to spec.std)) {
        if (values.isNotEmpty() && values.size != spec.color.channels) {
            from.wrong("$name needs ${spec.color.channels} values for ${spec.color.label}, has ${values.size}")
        }
    }
    if (spec.divisor <= 0 || spec.std.any { it <= 0 }) from.wrong("divisor and std must be above 0")
    for (channel in 0 until spec.color.channels) {
        val finite = listOf(0, 255).all { normalized(it, spec, channel).let { value -> !value.isNaN() && !value.isInfinite() } }
        if (!finite) from.wrong("divisor, mean and std take pixels beyond float32")
    }
    if (spec.crop == null && spec.resize?.mode == ResizeMode.COVER) from.wrong("resize mode cover needs a crop")
    return spec
}

private fun resize(from: Fields) = Resize(
    size = size(from["size"]),
    mode = from["mode"].oneOf(ResizeMode.entries.associateBy { it.label }),
    interpolation = from["interpolation"].oneOf(Interpolation.entries.associateBy { it.label }),
    antialias = from["antialias"].flag(),
    padValue = from["pad_value"].int(0, 255),
)

private fun size(field: Field): Size {
    val sides = field.list { it.int(1, LARGEST_SIDE) }
    if (sides.size != 2) field.wrong("must be [height, width]")
    if (sides[0].toLong() * sides[1] > Pixels.MOST_PIXELS) field.wrong("is too large")
    return Size(sides[0], sides[1])
}

private fun float32(field: Field): Double {
    val value = field.double()
    if (value != 0.0 && (abs(value) < TINIEST_FLOAT32 || abs(value) > Float.MAX_VALUE)) {
        field.wrong("must be a normal float32 number, or 0")
    }
    return value
}

private fun audioSpec(from: Fields): AudioSpec {
    val spec = AudioSpec(
        sampleRate = from["sample_rate"].int(LOWEST_RATE, HIGHEST_RATE),
        clipSamples = from["clip_samples"].int(1, 1 shl 24),
        preemphasis = from["preemphasis"].double(),
        window = from["window"].oneOf(AudioWindow.entries.associateBy { it.label }),
        windowSamples = from["window_samples"].int(2, 65_536),
        hopSamples = from["hop_samples"].int(1),
        fftSize = from["fft_size"].int(2, 65_536),
        mels = from["mels"].int(1, 512),
        melScale = from["mel_scale"].oneOf(MelScale.entries.associateBy { it.label }),
        melNorm = from["mel_norm"].oneOf(MelNorm.entries.associateBy { it.label }),
        fmin = from["fmin"].double(),
        fmax = from["fmax"].double(),
        log = from["log"].oneOf(LogBase.entries.associateBy { it.label }),
        logFloor = from["log_floor"].double(),
        logOffset = from["log_offset"].double(),
        mean = from["mean"].list { it.double() },
        std = from["std"].list { it.double() },
    )
    audioProblem(spec)?.let { from.wrong(it) }
    return spec
}

/** Why no sound could go that way; null where it can. */
private fun audioProblem(spec: AudioSpec): String? = when {
    spec.preemphasis < 0 || spec.preemphasis >= 1 -> "preemphasis must be 0 to below 1"
    spec.fftSize and (spec.fftSize - 1) != 0 -> "fft_size must be a power of two, is ${spec.fftSize}"
    spec.windowSamples > spec.fftSize -> "window_samples does not fit in fft_size"
    spec.hopSamples > spec.windowSamples -> "hop_samples would leave out sound between windows"
    spec.clipSamples < spec.windowSamples -> "clip_samples is shorter than one window"
    spec.fmin < 0 || spec.fmin >= spec.fmax || spec.fmax > spec.sampleRate / 2.0 ->
        "0 <= fmin < fmax <= sample_rate / 2 must hold"
    listOf(spec.mean, spec.std).any { it.size !in setOf(0, 1, spec.mels) } ->
        "mean and std need no value, 1, or one for each mel"
    (spec.mean + spec.std).any { abs(it) > LARGEST_CONSTANT } || spec.std.any { it < 1e-6 } ->
        "mean must be -1e6 to 1e6 and std 1e-6 to 1e6"
    listOf(spec.logFloor, spec.logOffset).any { it < 0 || it > LARGEST_CONSTANT } ->
        "log_floor and log_offset must be 0 to 1e6"
    spec.logFloor + spec.logOffset < 1e-30 -> "log_floor or log_offset must be 1e-30 or more"
    else -> deafFilter(spec)?.let { "mel filter $it lies between two bins of the spectrum" }
}
