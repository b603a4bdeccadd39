package dev.mobilekit

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class PostprocessTest {
    @Test
    fun `softmax sums to one and does not overflow`() {
        val found = softmax(doubleArrayOf(1000.0, 999.0, -1000.0))
        assertEquals(1.0, found.sum(), 1e-12)
        assertEquals(1 / (1 + Math.exp(-1.0)), found[0], 1e-12)
        assertEquals(0, softmax(DoubleArray(0)).size)
    }

    @Test
    fun `the highest come first, of equal ones the lower index, NaN last`() {
        assertEquals(listOf(2, 0, 1), topK(doubleArrayOf(0.25, 0.25, 0.5, Double.NaN), 3).map { it.index })
        assertEquals(listOf(1, 0), topK(doubleArrayOf(Double.NaN, 0.1), 9).map { it.index })
        assertTrue(topK(doubleArrayOf(1.0), 0).isEmpty())
    }

    @Test
    fun `line i names class i`() {
        val labels = Labels.parse("cat\ndog\n")
        assertEquals(listOf("cat", "dog"), labels.names)
        assertEquals("5", labels[5])
        assertEquals(2, Labels.parse("cat\ndog").names.size)
        assertTrue(Labels.parse("").names.isEmpty())
    }

    @Test
    fun `half precision goes both ways`() {
        val values = listOf(0.0, -0.0, 1.0, -2.5, 65504.0, 6.103515625e-5, 5.9604644775390625e-8, 0.333251953125)
        for (value in values) {
            val tensor = Tensor.filled("h", DType.FLOAT16, listOf(1), value)
            assertEquals(value, tensor.values()[0], 0.0)
        }
        assertEquals(Double.POSITIVE_INFINITY, Tensor.filled("h", DType.FLOAT16, listOf(1), 1e6).values()[0])
        assertEquals(2049.0.let { 2048.0 }, Tensor.filled("h", DType.FLOAT16, listOf(1), 2049.0).values()[0]) // halves to even
    }

    @Test
    fun `a tensor is cut into pieces along an axis`() {
        val tensor = Tensor.of("x", listOf(2, 4, 1), FloatArray(8) { it.toFloat() })
        val found = pieces(tensor, 1, 2).map { it.floats().toList() }
        assertEquals(listOf(listOf(0f, 1f, 4f, 5f), listOf(2f, 3f, 6f, 7f)), found)
    }

    @Test
    fun `versions are compared number by number`() {
        assertTrue(compareVersions("1.10.0", "1.9") > 0)
        assertEquals(0, compareVersions("1.5", "1.5.0+cpu"))
        assertTrue(compareVersions("1.4.9", "1.5.1rc1") < 0)
        assertTrue(compareVersions("18.1", "iOS17") > 0)
    }

    @Test
    fun `what a runtime lacks is said`() {
        val artifact = artifact()
        val able = Known("executorch", "1.5.1", setOf("XnnpackBackend"), setOf("aten::mean.out"))
        assertTrue(requirements(artifact, able).isEmpty())
        assertTrue(requirements(artifact, able.copy(operators = null)).isEmpty())
        val poor = requirements(artifact, Known("executorch", "1.5.0", emptySet(), emptySet()))
        assertEquals(3, poor.size)
        for (word in listOf("1.5.1", "XnnpackBackend", "aten::mean.out")) assertTrue(poor.any { word in it.message }, word)
        assertEquals(1, requirements(artifact, able.copy(name = "coreml")).size)
        assertNull(artifact.top1)
    }

    @Test
    fun `timings are told as the exporter tells them`() {
        val result = BenchmarkResult(artifact(), 2, 1, 3, listOf(4_000_000L, 1_000_000L, 2_000_000L, 3_000_000L), 5.5, null)
        assertEquals(2.5, result.medianMs, 1e-12)
        assertEquals(3.7, result.p90Ms, 1e-12)
        assertEquals(1.5, result.iqrMs, 1e-12)
        assertEquals(1.0, result.minMs, 1e-12)
        assertEquals("4", result.json()["n"].toString())
        assertEquals("null", result.json()["peak_memory_bytes"].toString())
    }

    @Test
    fun `timing ends when it is told to`() {
        var calls = 0
        val runner = object : ModelRunner {
            override fun run(inputs: List<Tensor>): List<Tensor> = emptyList<Tensor>().also { calls++ }
            override fun close() = Unit
        }
        assertEquals(7, timings(runner, emptyList(), 2, 7).size)
        assertEquals(9, calls)
        assertEquals(1, timings(runner, emptyList(), 0, 100, seconds = 0.0).size)
        assertEquals(1, timings(runner, emptyList(), 0, 100) { false }.size)
    }

    private data class Known(
        override val name: String,
        override val version: String,
        override val backends: Set<String>,
        override val operators: Set<String>?,
    ) : Runtime {
        override fun load(artifact: Artifact, file: java.io.File, threads: Int): ModelRunner = throw RunnerException("loads nothing")
    }

    private fun artifact() = Artifact(
        "m.pte", 1, "0".repeat(64), "xnnpack", "fp32", "executorch", "1.5.1",
        listOf("XnnpackBackend"), listOf("aten::mean.out"), true, emptyList(), emptyList(), null,
    )
}
