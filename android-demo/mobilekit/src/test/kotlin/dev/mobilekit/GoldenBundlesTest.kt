package dev.mobilekit

import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.TestInstance
import java.io.File
import java.util.Locale

/**
 * Bundles that Python exported, all the way: file -> pixels -> tensor -> outputs -> label, the outputs being those of
 * the real .pte in ExecuTorch. How far apart the two are is printed, and written to `golden.md`.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GoldenBundlesTest {
    private data class Line(val model: String, val scheme: String, val result: StageResult)

    private val lines = mutableListOf<Line>()

    @TestFactory
    fun `golden samples come out on the JVM as in Python`(): List<DynamicTest> = MODELS.flatMap { model ->
        listOf("fp32", "int8").map { scheme -> dynamicTest("$model $scheme") { check(model, Golden.bundle(model), scheme) } }
    }

    private fun check(model: String, bundle: Bundle, scheme: String) {
        assertEquals(if (bundle.manifest.preprocess is ImageSpec) 15 else 9, bundle.manifest.golden.size, "pictures or sounds")
        val artifact = bundle.artifacts.single { it.target == "xnnpack" && it.scheme == scheme }
        val runtime = Golden.runtime()
        assertEquals(emptyList<Problem>(), requirements(artifact, runtime))
        val file = (bundle.files as FolderFiles).place(artifact.file)
        // Decoding does not depend on the scheme.
        val decoder = AwtDecoder.takeIf { scheme == "fp32" }
        val results = runtime.load(artifact, file, 1).use { GoldenCheck.run(bundle, artifact, it, decoder) }
        lines += results.map { Line(model, scheme, it) }
        val stages = results.map { it.stage }.toSet()
        assertTrue(stages.containsAll(setOf(Stage.PREPROCESS, Stage.OUTPUTS, Stage.LABEL)), "$stages")
        assertEquals(bundle.manifest.golden.size, results.count { it.stage == Stage.LABEL })
        val failed = results.filter { !it.passed }
        assertTrue(failed.isEmpty(), failed.joinToString("\n"))
        val decoded = if (decoder == null && bundle.manifest.preprocess is ImageSpec) 0 else bundle.manifest.golden.size
        assertEquals(decoded, results.count { it.stage == Stage.DECODE })
        if (bundle.manifest.preprocess is ImageSpec) {
            // Better than the contract asks for: the same integers and the same float32 operations.
            assertEquals(0.0, results.filter { it.stage == Stage.PREPROCESS }.maxOf { it.distance })
        }
    }

    @AfterAll
    fun table() {
        if (lines.isEmpty()) return
        val text = buildString {
            append("| model | scheme | stage | samples | largest distance | tolerance there | passed |\n|-|-|-|-|-|-|-|\n")
            for ((key, group) in lines.groupBy { Triple(it.model, it.scheme, it.result.stage) }) {
                val worst = group.maxByOrNull { it.result.distance }!!.result
                val passed = group.count { it.result.passed }
                append("| ${key.first} | ${key.second} | ${key.third.name.lowercase()} | ${group.size} | ")
                append(String.format(Locale.ROOT, "%.3g (%s) | %.3g | %d of %d |%n", worst.distance, worst.sample, worst.tolerance, passed, group.size))
            }
        }
        println(text)
        File(System.getProperty("basedir") ?: ".", "target").also { it.mkdirs() }.resolve("golden.md").writeText(text)
    }

    private companion object {
        val MODELS = listOf("lenet", "resnet20", "mobilenet_v3_small", "kws_gru")
    }
}
