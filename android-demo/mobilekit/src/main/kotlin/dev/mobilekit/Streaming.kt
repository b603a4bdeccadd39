package dev.mobilekit

/**
 * Feeds a streaming artifact piece by piece: each call gets [StreamSpec.frames] frames and the states that the call
 * before it left (docs/streaming.md). Several sessions may share one runner, one call after the other.
 */
class StreamSession(private val manifest: Manifest, private val artifact: Artifact, private val runner: ModelRunner) {
    /** How it is fed. */
    val spec: StreamSpec = manifest.stream ?: throw BundleException("${manifest.model.name} is no streaming model")
    private val inputs = spec.states.map { state -> place(manifest.inputs, state.input) }
    private val outputs = spec.states.map { state -> place(manifest.outputs, state.output) }
    private val sequence = place(manifest.inputs, spec.input)
    private var states = initial()

    init {
        val outside = (inputs + sequence).any { it >= artifact.inputs.size } || outputs.any { it >= artifact.outputs.size }
        if (outside) throw BundleException("${artifact.file} has fewer inputs or outputs than ${manifest.model.name}")
    }

    /** Back to the initial states: once per utterance, and after a long silence. */
    fun reset() {
        states = initial()
    }

    /** One call: the next piece of the sequence -> all outputs of the artifact, the states among them. */
    fun push(piece: Tensor): List<Tensor> {
        val given = MutableList<Tensor?>(artifact.inputs.size) { null }
        given[sequence] = piece.named(artifact.inputs[sequence].name)
        inputs.forEachIndexed { index, at -> given[at] = states[index].named(artifact.inputs[at].name) }
        val answered = runner.run(given.map { it ?: throw BundleException("${artifact.file} has an input that is neither sequence nor state") })
        if (answered.size != artifact.outputs.size) {
            throw RunnerException("${artifact.file} gave ${answered.size} outputs, not ${artifact.outputs.size}")
        }
        states = outputs.map { answered[it].copy() }
        return answered
    }

    /** [StreamSpec.frames] rows of features, such as [AudioStream] gives -> all outputs of the artifact. */
    fun push(frames: List<FloatArray>): List<Tensor> {
        require(frames.size == spec.frames) { "a call takes ${spec.frames} frames, given ${frames.size}" }
        val width = frames[0].size
        val values = FloatArray(frames.size * width)
        frames.forEachIndexed { index, frame -> frame.copyInto(values, index * width) }
        return push(Tensor.of(spec.input, artifact.inputs[sequence].smallest, values))
    }

    /** A whole sample from the initial states on: the outputs of each call. */
    fun whole(sample: Tensor): List<List<Tensor>> {
        reset()
        return pieces(sample, spec.axis, spec.frames).map { push(it) }
    }

    private fun initial() = spec.states.map { Tensor.filled(it.input, it.dtype, it.shape, it.initial) }

    private fun place(among: List<TensorSpec>, name: String): Int {
        val found = among.indexOfFirst { it.name == name }
        if (found < 0) throw BundleException("${Manifest.FILE}: stream names $name, which is no input or output of the model")
        return found
    }
}

/** [tensor] cut along [axis] into pieces of [length]. Throws [InputException] where they do not come out whole. */
internal fun pieces(tensor: Tensor, axis: Int, length: Int): List<Tensor> {
    if (axis !in tensor.shape.indices || tensor.shape[axis] % length != 0) {
        throw InputException("$tensor does not make whole pieces of $length along axis $axis")
    }
    val outer = tensor.shape.take(axis).fold(1) { product, size -> product * size }
    val inner = tensor.shape.drop(axis + 1).fold(tensor.dtype.bytes) { product, size -> product * size }
    val shape = tensor.shape.toMutableList().also { it[axis] = length }
    val bytes = ByteArray(length * inner)
    return List(tensor.shape[axis] / length) { piece ->
        val data = Tensor.buffer(outer * length * inner)
        for (block in 0 until outer) {
            val from = tensor.bytes()
            from.goTo((block * tensor.shape[axis] + piece * length) * inner)
            from.get(bytes)
            data.put(bytes)
        }
        Tensor(tensor.name, tensor.dtype, shape, data)
    }
}
