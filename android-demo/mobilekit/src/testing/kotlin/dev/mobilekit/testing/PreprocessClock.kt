package dev.mobilekit.testing

import dev.mobilekit.ImagePreprocessor
import dev.mobilekit.ImageSpec
import dev.mobilekit.Interpolation
import dev.mobilekit.Pixels
import dev.mobilekit.Resize
import dev.mobilekit.ResizeMode
import dev.mobilekit.Size
import java.io.File

/**
 * The Kotlin side of benchmarks/kotlin_preprocess.py: `PIXELS WIDTH HEIGHT`, PIXELS being a file of RGB bytes. Then for
 * each line `CASE RUNS` it prints the nanoseconds of so many runs, from pixels in memory to the float32 tensor.
 */
fun main(arguments: Array<String>) {
    val pixels = Pixels(arguments[1].toInt(), arguments[2].toInt(), File(arguments[0]).readBytes())
    val preprocessors = mutableMapOf<String, ImagePreprocessor>()
    while (true) {
        val (case, runs) = (readlnOrNull() ?: return).split(' ')
        val preprocessor = preprocessors.getOrPut(case) { ImagePreprocessor(specOf(case)) }
        val taken = LongArray(runs.toInt()) {
            val start = System.nanoTime()
            val tensor = preprocessor.tensor(pixels)
            (System.nanoTime() - start).also { check(tensor.shape == listOf(1, 3, 224, 224)) { "$tensor" } }
        }
        println(taken.joinToString(" "))
    }
}

/** `stretch-bilinear`, `cover-bicubic`: to 224x224, or to 256 and the middle of it. */
private fun specOf(case: String): ImageSpec {
    val (mode, filter) = case.split('-')
    val interpolation = Interpolation.entries.first { it.label == filter }
    val mean = listOf(0.485, 0.456, 0.406)
    val std = listOf(0.229, 0.224, 0.225)
    return when (mode) {
        "stretch" -> ImageSpec(resize = Resize(Size(224, 224), interpolation = interpolation), mean = mean, std = std)
        else -> {
            val resize = Resize(Size(256, 256), ResizeMode.COVER, interpolation)
            ImageSpec(resize = resize, crop = Size(224, 224), mean = mean, std = std)
        }
    }
}
