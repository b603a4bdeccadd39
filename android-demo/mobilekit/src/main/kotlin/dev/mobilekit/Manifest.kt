package dev.mobilekit

/** A file or folder that the bundle vouches for. */
interface Listed {
    val file: String
    val bytes: Long
    val sha256: String
}

data class FileEntry(override val file: String, override val bytes: Long, override val sha256: String) : Listed

/** Which model this is. */
data class ModelEntry(val name: String, val task: Task, val parameters: Long, val trained: Boolean)

enum class Task(val label: String) {
    IMAGE_CLASSIFICATION("image-classification"),
    AUDIO_CLASSIFICATION("audio-classification"),
    TENSOR("tensor"),
}

/** A model file. [minimumRuntime], [backends] and [operators] are what [requirements] checks. */
data class Artifact(
    override val file: String,
    override val bytes: Long,
    override val sha256: String,
    val target: String,
    val scheme: String,
    val runtime: String,
    val minimumRuntime: String,
    val backends: List<String>,
    val operators: List<String>,
    /** False for the eager reference, which stays on the desk. */
    val ship: Boolean,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    /** Share of test samples classified as their label, 0 to 1; null where it was not measured. */
    val top1: Double?,
) : Listed

/** A little-endian, C-contiguous tensor in a file of its own. */
data class GoldenTensor(
    override val file: String,
    override val bytes: Long,
    override val sha256: String,
    val name: String,
    val dtype: DType,
    val shape: List<Int>,
) : Listed

/** What one artifact answered, and how far another machine may be from it in any value. */
data class GoldenOutput(
    val target: String,
    val scheme: String,
    val outputs: List<GoldenTensor>,
    val maxAbsError: Double,
)

/** One sample all the way: encoded image or sound -> decoded pixels or waveform -> tensors -> outputs. */
data class GoldenSample(
    val id: String,
    val label: Int?,
    val encoded: FileEntry?,
    val pixels: GoldenTensor?,
    val waveform: GoldenTensor?,
    val inputs: List<GoldenTensor>,
    val inputMaxAbsError: Double,
    val outputs: List<GoldenOutput>,
) {
    /** Every file of it. */
    val files: List<Listed>
        get() = listOfNotNull(encoded, pixels, waveform) + inputs + outputs.flatMap { it.outputs }
}

/**
 * bundle.json, as far as an app needs it; docs/bundle.md explains each field. Fields that are not here are ignored.
 * Refuses another schema version than [SCHEMA_VERSION], and what contradicts itself.
 */
data class Manifest(
    val created: String,
    val model: ModelEntry,
    val preprocess: Preprocess?,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    val stream: StreamSpec?,
    val labels: FileEntry?,
    val artifacts: List<Artifact>,
    val golden: List<GoldenSample>,
    val warnings: List<String>,
) {
    /** The artifacts that are meant for a phone. */
    val shipped: List<Artifact> get() = artifacts.filter { it.ship }

    companion object {
        /** What this library was written for. */
        const val SCHEMA_VERSION = 1

        const val FILE = "bundle.json"

        /** Throws [BundleException] naming the file and the field. */
        fun parse(text: String): Manifest = readManifest(jsonObject(text, FILE))
    }
}
