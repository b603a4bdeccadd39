package dev.mobilekit.demo

import dev.mobilekit.Artifact
import dev.mobilekit.Bundle
import dev.mobilekit.BundleException
import dev.mobilekit.ImagePreprocessor
import dev.mobilekit.ImageSpec
import dev.mobilekit.ModelRunner
import dev.mobilekit.Pixels
import dev.mobilekit.classify
import java.io.Closeable

/** One line of an answer. */
data class Guess(val label: String, val probability: Double)

/** What a model said about a picture, and how long each half of it took. */
data class Answer(val guesses: List<Guess>, val preprocessMs: Double, val inferenceMs: Double)

/** A loaded image classifier: pixels -> labels. Not for two threads at once. */
class Classifier private constructor(
    val bundle: Bundle,
    val artifact: Artifact,
    private val runner: ModelRunner,
    val spec: ImageSpec,
) : Closeable {
    private val preprocessor = ImagePreprocessor(spec, artifact.inputs[0].name)

    fun classify(pixels: Pixels, count: Int = 5): Answer {
        val start = System.nanoTime()
        val tensor = preprocessor.tensor(pixels)
        val made = System.nanoTime()
        val outputs = runner.run(listOf(tensor))
        val done = System.nanoTime()
        val guesses = classify(outputs[0], count).map { Guess(bundle.label(it.index), it.probability) }
        return Answer(guesses, (made - start) / 1e6, (done - made) / 1e6)
    }

    override fun close() = runner.close()

    companion object {
        fun open(services: Services, name: String): Classifier {
            val ready = services.ready(name)
            val spec = ready.bundle.manifest.preprocess as? ImageSpec
                ?: throw BundleException("$name takes no pictures", "choose a bundle of an image classifier")
            return Classifier(ready.bundle, ready.artifact, services.load(ready.bundle, ready.artifact), spec)
        }
    }
}

/** The name of a class, or its number where the bundle names none. */
fun Bundle.label(index: Int): String = labels?.get(index) ?: index.toString()

/** A bundle that passes the check. Throws [BundleException] with the first reason where it does not. */
fun Services.ready(name: String): Embedded.Ready = when (val found = check.one(name)) {
    is Embedded.Ready -> found
    is Embedded.Refused -> throw BundleException(found.problems[0].message, found.problems[0].hint)
}

/** Half of the cores, the fast ones of most phones, at most 4: what an app can use while it also draws. */
fun Services.load(
    bundle: Bundle,
    artifact: Artifact,
    threads: Int = (Runtime.getRuntime().availableProcessors() / 2).coerceIn(1, 4),
): ModelRunner = runtime.load(artifact, models.file(bundle, artifact), threads)
