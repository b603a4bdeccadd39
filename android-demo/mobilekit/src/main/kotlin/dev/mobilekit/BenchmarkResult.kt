package dev.mobilekit

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlin.math.floor
import kotlin.math.min

/** Timings of one artifact. Percentiles interpolate linearly between neighbours, as the exporter's do. */
data class BenchmarkResult(
    val artifact: Artifact,
    val threads: Int,
    val batch: Int,
    val warmup: Int,
    /** Of each timed run, in order; one at least. */
    val nanoseconds: List<Long>,
    val loadMs: Double,
    /** Null where the system does not tell. */
    val peakMemoryBytes: Long?,
) {
    val medianMs: Double get() = percentile(50.0)
    val p90Ms: Double get() = percentile(90.0)
    val minMs: Double get() = percentile(0.0)

    /** Interquartile range: the spread. */
    val iqrMs: Double get() = percentile(75.0) - percentile(25.0)

    private val sorted = nanoseconds.sorted().also { require(it.isNotEmpty()) { "no timings" } }

    /** The value below which [percent] of the runs lie, in milliseconds. */
    fun percentile(percent: Double): Double {
        val place = percent / 100 * (sorted.size - 1)
        val below = floor(place).toInt()
        val above = min(below + 1, sorted.size - 1)
        return (sorted[below] + (sorted[above] - sorted[below]) * (place - below)) / 1e6
    }

    internal fun json(): JsonObject = buildJsonObject {
        put("target", artifact.target)
        put("scheme", artifact.scheme)
        put("file", artifact.file)
        put("sha256", artifact.sha256)
        put("threads", threads)
        put("batch", batch)
        put("warmup", warmup)
        put("n", nanoseconds.size)
        put("median_ms", medianMs)
        put("p90_ms", p90Ms)
        put("min_ms", minMs)
        put("iqr_ms", iqrMs)
        put("load_ms", loadMs)
        put("peak_memory_bytes", peakMemoryBytes?.let { JsonPrimitive(it) } ?: JsonNull)
    }
}

/** The phone. */
data class Device(
    val maker: String,
    val model: String,
    val system: String,
    val systemVersion: String,
    val processor: String,
    val cores: Int,
    val memoryBytes: Long,
)

/** The app and what runs models in it. */
data class App(val runtime: String, val runtimeVersion: String, val appVersion: String)

/** What was measured on one phone, in the form that `mobilekit bench --import` reads. */
data class BenchmarkReport(
    val device: Device,
    val app: App,
    val bundle: Bundle,
    val results: List<BenchmarkResult>,
    /** In UTC, such as `2026-11-22T15:00:00Z`. */
    val taken: String,
) {
    fun json(): String = JSON.encodeToString(JsonObject.serializer(), tree()) + "\n"

    private fun tree() = buildJsonObject {
        put("format", FORMAT)
        put("version", VERSION)
        put("device", buildJsonObject {
            put("maker", device.maker)
            put("model", device.model)
            put("system", device.system)
            put("system_version", device.systemVersion)
            put("processor", device.processor)
            put("cores", device.cores)
            put("memory_bytes", device.memoryBytes)
        })
        put("app", buildJsonObject {
            put("runtime", app.runtime)
            put("runtime_version", app.runtimeVersion)
            put("app_version", app.appVersion)
        })
        put("bundle", buildJsonObject {
            put("model", bundle.manifest.model.name)
            put("created", bundle.manifest.created)
            put("bundle_sha256", bundle.sha256)
        })
        put("results", JsonArray(results.map { it.json() }))
        put("taken", taken)
    }

    companion object {
        const val FORMAT = "mobilekit-device-bench"
        const val VERSION = 1
        private val JSON = kotlinx.serialization.json.Json { prettyPrint = true }
    }
}

/**
 * Times [runner] on these inputs: [warmup] runs, then runs until [runs] are done or [seconds] are over (but one at
 * least). Only the runtime's own call is timed. [goOn] is asked between runs, so that a screen can stop it.
 */
fun timings(
    runner: ModelRunner,
    inputs: List<Tensor>,
    warmup: Int,
    runs: Int,
    seconds: Double = Double.POSITIVE_INFINITY,
    clock: () -> Long = System::nanoTime,
    goOn: () -> Boolean = { true },
): List<Long> {
    repeat(warmup) { if (goOn()) runner.run(inputs) }
    val began = clock()
    val found = mutableListOf<Long>()
    while (found.isEmpty() || found.size < runs && goOn() && clock() - began < seconds * 1e9) {
        val start = clock()
        runner.run(inputs)
        found += clock() - start
    }
    return found
}
