package dev.mobilekit.demo

import dev.mobilekit.Artifact
import dev.mobilekit.GoldenCheck
import dev.mobilekit.ModelRunner
import dev.mobilekit.Runtime
import dev.mobilekit.Stage
import dev.mobilekit.Tensor
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.util.concurrent.atomic.AtomicInteger

/** The golden screen passes what is right, and fails what is not. */
class GoldenScreenTest : AppTest() {
    private fun run(folder: File): GoldenActivity {
        embed(folder)
        val activity = open(GoldenActivity::class.java, folder.name).get()
        await("the golden samples") { !activity.shows(R.id.working) }
        assertTrue(activity.words(), activity.shows(R.id.verdict))
        return activity
    }

    private fun GoldenActivity.results() = (model.state as GoldenState.Done).results

    /** With the picture of 6000x4000 pixels, decoded by Android's own decoder. */
    @Test
    fun `a whole bundle passes, all stages of all its samples`() {
        val activity = run(bundle("resnet20", samples = 15))
        assertEquals(activity.words(), "Passed", activity.text(R.id.verdict_title))
        val results = activity.results()
        assertEquals(15 * 4, results.size)
        for ((stage, of) in results.groupBy { it.stage }) {
            val worst = of.maxBy { it.distance }
            println("Android, resnet20, $stage: at most ${worst.distance} of ${worst.tolerance} (${worst.sample}: ${worst.detail})")
        }
    }

    @Test
    fun `a bundle that hears passes`() {
        val activity = run(bundle("kws_gru", samples = 9))
        assertEquals(activity.words(), "Passed", activity.text(R.id.verdict_title))
    }

    @Test
    fun `another mean is found where it happens`() {
        val wrong = bundle("resnet20") { all ->
            all.with("preprocess") { it.jsonObject.with("mean") { JsonArray(List(3) { JsonPrimitive(0.1) }) } }
        }
        val activity = run(wrong)
        assertEquals("Failed", activity.text(R.id.verdict_title))
        val failed = activity.results().filter { !it.passed }.map { it.stage }.toSet()
        assertTrue("$failed", Stage.PREPROCESS in failed)
        assertFalse("$failed", Stage.DECODE in failed)
    }

    @Test
    fun `the other artifact's outputs are found`() {
        // fp32's file under the name of int8's: another model than the one that the samples were made with.
        val folder = bundle("resnet20") { all ->
            all.withArtifacts { artifact ->
                if (artifact["scheme"] == JsonPrimitive("int8")) artifact.with("scheme") { JsonPrimitive("fp32") }.with("target") { JsonPrimitive("xnnpack") }
                else artifact.with("scheme") { JsonPrimitive("int8") }
            }
        }
        val activity = run(folder)
        val failed = activity.results().filter { !it.passed }.map { it.stage }.toSet()
        assertFalse(GoldenCheck.passed(activity.results()))
        assertTrue("$failed", failed.isNotEmpty() && Stage.PREPROCESS !in failed)
    }

    @Test
    fun `a missing sample is a failure with words, not a crash`() {
        val folder = bundle("lenet")
        val tensor = File(folder, "golden/000").listFiles()!!.first { it.name.startsWith("input") }
        assertTrue(tensor.delete())
        val activity = run(folder)
        assertEquals("Failed", activity.text(R.id.verdict_title))
        assertTrue(activity.words(), activity.words().contains(tensor.name))
    }

    @Test
    fun `without golden samples it says that there is nothing to compare`() {
        val activity = run(bundle("lenet", samples = 0))
        assertEquals("Nothing to compare", activity.text(R.id.verdict_title))
    }

    /** Else the model would go on behind the next screen, which wants the processor, and its threads, for its own. */
    @Test
    fun `a screen that was left runs no more samples`() {
        val folder = bundle("lenet", samples = 13)
        val runs = AtomicInteger()
        embed(folder) { Counting(native(), runs) }
        val controller = open(GoldenActivity::class.java, folder.name)
        await("a sample") { runs.get() > 0 }
        controller.pause().stop().destroy()
        val left = runs.get()
        Thread.sleep(1000)
        assertTrue("${runs.get()} runs, $left when it was left", runs.get() <= left + 1)
    }

    /** Takes its time for each run, and counts them. */
    private class Counting(private val runtime: Runtime, private val runs: AtomicInteger) : Runtime by runtime {
        override fun load(artifact: Artifact, file: File, threads: Int): ModelRunner {
            val runner = runtime.load(artifact, file, threads)
            return object : ModelRunner by runner {
                override fun run(inputs: List<Tensor>): List<Tensor> {
                    runs.incrementAndGet()
                    Thread.sleep(100)
                    return runner.run(inputs)
                }
            }
        }
    }

    @Test
    fun `the verdict survives a rotation`() {
        val folder = bundle("lenet")
        embed(folder)
        val controller = open(GoldenActivity::class.java, folder.name)
        val rotated = rotate(controller)
        await("the golden samples") { !rotated.shows(R.id.working) }
        assertTrue(rotated.shows(R.id.verdict))
        assertTrue(rotate(controller).shows(R.id.verdict))
    }
}
