package dev.mobilekit

import java.io.Closeable
import java.io.File

/** A loaded artifact. Not for two threads at once. */
interface ModelRunner : Closeable {
    /**
     * The outputs for these inputs, both in the artifact's order. Outputs are in memory of their own: a later call does
     * not change them. Throws [RunnerException] in the runtime's own words.
     */
    fun run(inputs: List<Tensor>): List<Tensor>
}

/** What executes artifacts here, and what it was built with: what [requirements] compares with an artifact's needs. */
interface Runtime {
    /** As in bundle.json: `executorch`, `onnxruntime`, `coreml`. */
    val name: String

    /** For example `1.5.1`. */
    val version: String

    /** For example `XnnpackBackend`. */
    val backends: Set<String>

    /** Registered operators such as `aten::mean.out`; null: it does not tell, and nothing is checked. */
    val operators: Set<String>?

    /** Loads the artifact that lies in [file]. Throws [RunnerException]. */
    fun load(artifact: Artifact, file: File, threads: Int): ModelRunner
}

/** Something that is in the way, in words for people. */
data class Problem(val message: String, val hint: String? = null)

/** Why [artifact] cannot run in [runtime]: all reasons, none where it can. Looks at no file. */
fun requirements(artifact: Artifact, runtime: Runtime): List<Problem> {
    if (artifact.runtime != runtime.name) {
        return listOf(
            Problem(
                "${artifact.file} is for ${artifact.runtime}, and this app runs ${runtime.name}",
                "embed an artifact for ${runtime.name}",
            ),
        )
    }
    val problems = mutableListOf<Problem>()
    if (compareVersions(runtime.version, artifact.minimumRuntime) < 0) {
        problems += Problem(
            "${artifact.file} needs ${runtime.name} ${artifact.minimumRuntime} or later, and this app has ${runtime.version}",
            "raise the version of ${runtime.name} in the app's build file, or export with an older one",
        )
    }
    val backends = artifact.backends.filter { it !in runtime.backends }
    if (backends.isNotEmpty()) {
        problems += Problem(
            "${artifact.file} needs ${backends.joinToString(", ")}, which this app's ${runtime.name} was built without",
            "build the app with these backends, or embed another artifact",
        )
    }
    val operators = runtime.operators?.let { known -> artifact.operators.filter { it !in known } }.orEmpty()
    if (operators.isNotEmpty()) {
        problems += Problem(
            "${artifact.file} needs ${operators.joinToString(", ")}, which this app's ${runtime.name} does not register",
            "build the app with these operators, or export for the backend alone",
        )
    }
    return problems
}

/**
 * Below 0, 0 or above 0 as [one] is older, as old or newer than [other]: dotted numbers compared one by one, missing
 * ones being 0. What follows a number (`1.5.0rc1`, `1.5.0+cpu`) does not count.
 */
fun compareVersions(one: String, other: String): Int {
    val left = numbersOf(one)
    val right = numbersOf(other)
    for (index in 0 until maxOf(left.size, right.size)) {
        val order = left.getOrElse(index) { 0 }.compareTo(right.getOrElse(index) { 0 })
        if (order != 0) return order
    }
    return 0
}

private fun numbersOf(version: String): List<Long> {
    val numbers = mutableListOf<Long>()
    for (part in version.trimStart { !it.isDigit() }.split('.')) {
        val digits = part.takeWhile { it in '0'..'9' }.take(15)
        numbers += digits.toLongOrNull() ?: break
        if (digits.length != part.length) break
    }
    return numbers
}
