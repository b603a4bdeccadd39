package dev.mobilekit

import dev.mobilekit.testing.NativeRunner
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File

class NativeRunnerTest {
    @TempDir
    lateinit var folder: File

    private val bundle by lazy { Golden.bundle("lenet") }
    private val artifact by lazy { bundle.artifacts.first { it.target == "xnnpack" && it.scheme == "fp32" } }
    private fun file() = (bundle.files as FolderFiles).place(artifact.file)

    @Test
    fun `a damaged program and inputs that do not fit are refused in words`() {
        val runtime = Golden.runtime()
        val damaged = File(folder, "damaged.pte").also { it.writeBytes(file().readBytes().copyOf(500)) }
        assertTrue(artifact.file in assertThrows(RunnerException::class.java) { runtime.load(artifact, damaged, 1) }.message!!)
        runtime.load(artifact, file(), 1).use { runner ->
            val wrong = Tensor.of("image", listOf(1, 1, 9, 9), FloatArray(81))
            assertThrows(RunnerException::class.java) { runner.run(listOf(wrong)) }
            val right = bundle.tensor(bundle.manifest.golden[0].inputs[0])
            assertEquals(listOf(1, 10), runner.run(listOf(right)).single().shape) // a refusal leaves it usable
        }
        val nothing = assertThrows(RunnerException::class.java) { NativeRunner(File(folder, "none"), artifact, file(), 1) }
        assertTrue("ended" in nothing.message!!, nothing.message)
    }

    @Test
    fun `what a call gave is not changed by the next one`() {
        Golden.runtime().load(artifact, file(), 1).use { runner ->
            val inputs = bundle.manifest.golden.take(2).map { bundle.tensor(it.inputs[0]) }
            val first = runner.run(listOf(inputs[0])).single()
            val before = first.floats()
            runner.run(listOf(inputs[1]))
            assertEquals(before.toList(), first.floats().toList())
        }
    }
}
