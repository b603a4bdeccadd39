package dev.mobilekit.demo

import dev.mobilekit.Artifact
import dev.mobilekit.ModelRunner
import dev.mobilekit.Runtime
import dev.mobilekit.Tensor
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test
import java.io.File
import kotlin.concurrent.thread

/** Two screens that load models with other numbers of threads: what ExecuTorch's one pool does to that. */
class OnePoolTest {
    /** A pool that is replaced where another number is asked for, and models that run in the pool they were loaded with. */
    private class OneRuntime : Runtime {
        override val name = "executorch"
        override val version = "1.5.1"
        override val backends = emptySet<String>()
        override val operators = null
        val said = mutableListOf<String>()
        private var pool = Pair(0, Any())

        @Volatile
        private var running = false

        @Volatile
        var wrong = false

        override fun load(artifact: Artifact, file: File, threads: Int): ModelRunner {
            if (running) wrong = true
            if (pool.first != threads) pool = Pair(threads, Any())
            val own = pool
            said += "load ${artifact.file}"
            return object : ModelRunner {
                override fun run(inputs: List<Tensor>): List<Tensor> {
                    running = true
                    if (own !== pool) wrong = true
                    Thread.sleep(1)
                    running = false
                    said += "run ${artifact.file}"
                    return inputs
                }

                override fun close() {
                    said += "close ${artifact.file}"
                }
            }
        }
    }

    private val runtime = OneRuntime()
    private val pool = OnePool(runtime)

    private fun load(name: String, threads: Int) = pool.load(artifact(name), File(name), threads)

    private fun artifact(name: String) = Artifact(
        name, 1, "0".repeat(64), "xnnpack", "fp32", "executorch", "1.5.1", emptyList(), emptyList(), true, emptyList(), emptyList(), null,
    )

    @Test
    fun `a model whose pool is gone is loaded again before it runs`() {
        val one = load("one", 4)
        one.run(emptyList())
        val two = load("two", 1)
        val three = load("three", 4) // as many as the first, and yet another pool
        one.run(emptyList())
        three.run(emptyList())
        two.close()
        assertFalse(runtime.wrong)
        val expected = listOf("load one", "run one", "load two", "load three", "close one", "load one", "run one", "run three", "close two")
        assertEquals(expected, runtime.said)
    }

    @Test
    fun `nothing runs while a model is loaded`() {
        val one = load("one", 4)
        val left = thread { repeat(50) { one.run(emptyList()) } }
        repeat(50) { load("next", 1 + it % 3).use { next -> next.run(emptyList()) } }
        left.join()
        assertFalse(runtime.wrong)
    }
}
