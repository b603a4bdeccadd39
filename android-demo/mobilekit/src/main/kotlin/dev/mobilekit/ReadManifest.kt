package dev.mobilekit

private val SHA256 = Regex("[0-9a-f]{64}")
private val PATH = Regex("[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
private val DTYPES = DType.entries.associateBy { it.label }
private const val MOST_DIMENSIONS = 16

internal fun readManifest(root: Fields): Manifest {
    val version = root["schema_version"].long()
    if (version != Manifest.SCHEMA_VERSION.toLong()) {
        throw BundleException(
            "${Manifest.FILE}: schema_version is $version, and this app reads ${Manifest.SCHEMA_VERSION}",
            if (version > Manifest.SCHEMA_VERSION) "update the app, or export with an older mobilekit" else "export the bundle again",
        )
    }
    val manifest = Manifest(
        created = root["created"].text(),
        model = modelEntry(root["model"].fields()),
        preprocess = root.orNull("preprocess")?.let { readPreprocess(it.fields()) },
        inputs = root["inputs"].list(::tensorSpec),
        outputs = root["outputs"].list(::tensorSpec),
        stream = root.orNull("stream")?.let { streamSpec(it.fields()) },
        labels = root.orNull("labels")?.let(::fileEntry),
        artifacts = root["artifacts"].list { artifact(it.fields()) },
        golden = root["golden"].list { goldenSample(it.fields()) },
        warnings = root["warnings"].list { it.text() },
    )
    val twice = manifest.artifacts.groupBy { it.target to it.scheme }.entries.firstOrNull { it.value.size > 1 }?.key
    if (twice != null) root.wrong("artifacts lists ${twice.first} ${twice.second} more than once")
    checkInputs(manifest, root)
    return manifest
}

/** Artifacts have the model's inputs, golden samples those of a whole sample; whoever runs one takes that for granted. */
private fun checkInputs(manifest: Manifest, root: Fields) {
    for (artifact in manifest.artifacts) {
        val count = artifact.inputs.size
        if (count == 0 || count != manifest.inputs.size) root.wrong("${artifact.file} has $count inputs, the model ${manifest.inputs.size}")
        if (artifact.outputs.isEmpty()) root.wrong("${artifact.file} has no output")
    }
    val whole = manifest.stream?.wholeInputs ?: manifest.inputs
    for (sample in manifest.golden) {
        if (sample.inputs.size != whole.size) root.wrong("golden sample ${sample.id} has ${sample.inputs.size} inputs, not ${whole.size}")
    }
}

private fun modelEntry(from: Fields) = ModelEntry(
    name = from["name"].text(),
    task = from["task"].oneOf(Task.entries.associateBy { it.label }),
    parameters = from["parameters"].long(),
    trained = from["trained"].flag(),
)

private fun fileEntry(field: Field): FileEntry {
    val from = field.fields()
    return FileEntry(path(from["file"]), from["bytes"].long(), sha256(from["sha256"]))
}

private fun path(field: Field): String =
    field.text().also { if (!PATH.matches(it)) field.wrong("is no path inside of the bundle") }

private fun sha256(field: Field): String =
    field.text().also { if (!SHA256.matches(it)) field.wrong("is no SHA-256 in lower-case hexadecimal digits") }

private fun artifact(from: Fields): Artifact {
    val entry = FileEntry(path(from["file"]), from["bytes"].long(), sha256(from["sha256"]))
    return Artifact(
        file = entry.file,
        bytes = entry.bytes,
        sha256 = entry.sha256,
        target = from["target"].text(),
        scheme = from["scheme"].text(),
        runtime = from["runtime"].text(),
        minimumRuntime = from["minimum_runtime"].text(),
        backends = from["backends"].list { it.text() },
        operators = from["operators"].list { it.text() },
        ship = from["ship"].flag(),
        inputs = from["inputs"].list(::tensorSpec),
        outputs = from["outputs"].list(::tensorSpec),
        top1 = from.orNull("verification")?.fields()?.orNull("metrics")?.fields()?.orNull("top1")?.double(),
    )
}

private fun tensorSpec(field: Field): TensorSpec {
    val from = field.fields()
    val bounds = from["dynamic"].fields()
    val shape = from["shape"].list { dim ->
        if (!dim.isText()) {
            Dim.Fixed(dim.int(1))
        } else {
            val bound = bounds[dim.text()].fields()
            val min = bound["min"].int(1)
            Dim.Dynamic(dim.text(), min, bound["max"].int(min))
        }
    }
    if (shape.size > MOST_DIMENSIONS) from.wrong("shape has ${shape.size} dimensions")
    val spec = TensorSpec(from["name"].text(), from["dtype"].oneOf(DTYPES), shape)
    checkSize(spec.smallest, spec.dtype, from)
    return spec
}

private fun streamSpec(from: Fields): StreamSpec {
    val whole = from["whole"].fields()["inputs"].list(::tensorSpec)
    val input = from["input"].text()
    val cut = whole.firstOrNull { it.name == input } ?: from.wrong("input $input is none of whole.inputs")
    val axis = from["axis"].int(0, cut.shape.size - 1)
    val frames = from["frames"].int(1)
    if (cut.smallest[axis] % frames != 0) from.wrong("frames $frames does not divide ${cut.smallest[axis]} of $input")
    return StreamSpec(input, axis, frames, from["states"].list { streamState(it.fields()) }, whole)
}

private fun streamState(from: Fields): StreamState {
    val shape = from["shape"].list { it.int(1) }
    val dtype = from["dtype"].oneOf(DTYPES)
    checkSize(shape, dtype, from)
    return StreamState(from["input"].text(), from["output"].text(), dtype, shape, from["initial"].double())
}

private fun goldenSample(from: Fields) = GoldenSample(
    id = from["id"].text(),
    label = from.orNull("label")?.int(),
    encoded = from.orNull("encoded")?.let(::fileEntry),
    pixels = from.orNull("pixels")?.let(::goldenTensor),
    waveform = from.orNull("waveform")?.let(::goldenTensor),
    inputs = from["inputs"].list(::goldenTensor),
    inputMaxAbsError = tolerance(from["input_max_abs_error"]),
    outputs = from["outputs"].list { one ->
        val output = one.fields()
        GoldenOutput(
            target = output["target"].text(),
            scheme = output["scheme"].text(),
            outputs = output["outputs"].list(::goldenTensor),
            maxAbsError = tolerance(output["max_abs_error"]),
        )
    },
)

private fun tolerance(field: Field): Double = field.double().also { if (it < 0) field.wrong("must be 0 or more") }

private fun goldenTensor(field: Field): GoldenTensor {
    val from = field.fields()
    val entry = fileEntry(field)
    val dtype = from["dtype"].oneOf(DTYPES)
    val shape = from["shape"].list { it.int() }
    val expected = checkSize(shape, dtype, from)
    if (entry.bytes != expected) {
        from.wrong("a ${dtype.label} tensor of shape $shape has $expected bytes, not ${entry.bytes}")
    }
    return GoldenTensor(entry.file, entry.bytes, entry.sha256, from["name"].text(), dtype, shape)
}

/** Bytes of a tensor. One that no array of the JVM holds is refused here, and not when it is made. */
private fun checkSize(shape: List<Int>, dtype: DType, from: Fields): Long {
    var bytes = dtype.bytes.toLong()
    for (size in shape) {
        bytes *= size
        if (bytes > Int.MAX_VALUE) from.wrong("a tensor of shape $shape is too large")
    }
    return bytes
}
