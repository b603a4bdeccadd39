package dev.mobilekit

import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir
import java.io.File

/** The usual mistakes of an app, each made on purpose: the golden check must notice every one of them. */
class WrongPreprocessingTest {
    @TempDir
    lateinit var folder: File

    private fun bundle(): Bundle {
        Golden.folder("bundle").copyRecursively(folder, overwrite = true)
        return Bundle.open(FolderFiles(folder))
    }

    @TestFactory
    fun `a wrong way to the tensor fails the golden check`(): List<DynamicTest> = listOf(
        Triple("bilinear without antialias", "\"antialias\": true", "\"antialias\": false"),
        Triple("BGR", "\"color\": \"RGB\"", "\"color\": \"BGR\""),
        Triple("a wrong mean", "\"mean\": []", "\"mean\": [0.485, 0.456, 0.406]"),
        Triple("a wrong divisor", "\"divisor\": 255.0", "\"divisor\": 256.0"),
        Triple("another filter", "\"interpolation\": \"bilinear\"", "\"interpolation\": \"bicubic\""),
        Triple("another layout", "\"layout\": \"NCHW\"", "\"layout\": \"NHWC\""),
    ).map { (what, right, wrong) ->
        dynamicTest(what) {
            assertTrue(preprocess(bundle()).passed)
            val manifest = File(folder, "bundle.json")
            val text = manifest.readText()
            assertTrue(right in text, right)
            manifest.writeText(text.replaceFirst(right, wrong))
            val result = preprocess(Bundle.open(FolderFiles(folder)))
            assertFalse(result.passed, "$what went through: $result")
            assertTrue(result.distance > 1000 * result.tolerance, "$result")
        }
    }

    @Test
    fun `a decoder that ignores EXIF fails the golden check of a photo`() {
        val bundle = Golden.bundle("lenet")
        val blind = ImageDecoder { encoded, _ -> AwtDecoder.pixels(encoded, upright = false) }
        val results = check(bundle, blind).filter { it.stage == Stage.DECODE }
        for (sample in results) assertTrue(sample.passed != turned(sample.sample), sample.toString())
    }

    @Test
    fun `another model's answer fails the golden check`() {
        val bundle = Golden.bundle("lenet")
        val artifact = bundle.artifacts.first { it.target == "xnnpack" }
        val wrong = object : ModelRunner {
            override fun run(inputs: List<Tensor>) = listOf(Tensor.of("logits", listOf(1, 10), FloatArray(10)))
            override fun close() = Unit
        }
        val results = GoldenCheck.run(bundle, artifact, wrong)
        assertTrue(results.filter { it.stage == Stage.OUTPUTS }.none { it.passed })
        val refusing = object : ModelRunner {
            override fun run(inputs: List<Tensor>) = throw RunnerException("it will not")
            override fun close() = Unit
        }
        val refused = GoldenCheck.run(bundle, artifact, refusing).filter { it.stage == Stage.OUTPUTS }
        assertTrue(refused.isNotEmpty() && refused.none { it.passed } && refused.all { it.detail == "it will not" })
    }

    /** `exif-2-…` to `exif-8-…`, and the large one: what looks otherwise where EXIF is not followed. */
    private fun turned(sample: String) = sample.startsWith("large") || sample.startsWith("exif-") && !sample.startsWith("exif-1-")

    private fun preprocess(bundle: Bundle) = check(bundle, null).first { it.stage == Stage.PREPROCESS }

    /** No model is needed to compare tensors: what is asked of it is refused, which is a failed stage of its own. */
    private fun check(bundle: Bundle, decode: ImageDecoder?): List<StageResult> {
        val none = object : ModelRunner {
            override fun run(inputs: List<Tensor>) = throw RunnerException("no model here")
            override fun close() = Unit
        }
        return GoldenCheck.run(bundle, bundle.artifacts.first { it.target == "xnnpack" }, none, decode)
    }
}
