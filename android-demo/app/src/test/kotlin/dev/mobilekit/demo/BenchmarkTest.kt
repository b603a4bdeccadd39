package dev.mobilekit.demo

import android.content.Intent
import android.net.Uri
import android.view.View
import android.widget.LinearLayout
import android.widget.RadioGroup
import android.widget.TextView
import dev.mobilekit.Bundle
import dev.mobilekit.FolderFiles
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.double
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.io.File
import java.io.FileNotFoundException
import java.nio.ByteBuffer

/** What is measured on a phone, and how it comes back to the desk. */
class BenchmarkTest : AppTest() {
    private fun screen(folder: File): ActivityController<BenchmarkActivity> {
        embed(folder)
        val controller = open(BenchmarkActivity::class.java, folder.name)
        await("the artifacts") { controller.get().shows(R.id.choices) }
        return controller
    }

    private fun BenchmarkActivity.run() {
        findViewById<View>(R.id.run).performClick()
        await("the result") { shows(R.id.share) }
    }

    @Test
    fun `results are shared as the JSON that bench --import reads`() {
        val folder = bundle("lenet")
        val activity = screen(folder).get()
        val artifacts = activity.findViewById<RadioGroup>(R.id.artifacts)
        assertEquals(2, artifacts.childCount)
        activity.run()
        artifacts.check(artifacts.getChildAt(1).id)
        activity.run()
        activity.findViewById<View>(R.id.share).performClick()

        val chooser = shadowOf(activity).nextStartedActivity
        assertEquals(Intent.ACTION_CHOOSER, chooser.action)
        @Suppress("DEPRECATION")
        val send = chooser.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        assertEquals("application/json", send.type)
        assertTrue(send.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        val text = send.getStringExtra(Intent.EXTRA_TEXT)!!
        @Suppress("DEPRECATION")
        val uri = send.getParcelableExtra<Uri>(Intent.EXTRA_STREAM)!!
        Robolectric.buildContentProvider(SharedFiles::class.java).create("${app.packageName}.shared")
        assertEquals(text, app.contentResolver.openInputStream(uri)!!.use { it.readBytes().decodeToString() })
        assertEquals("application/json", app.contentResolver.getType(uri))

        val json = Json.parseToJsonElement(text).jsonObject
        val bundle = Bundle.open(FolderFiles(folder))
        assertEquals("mobilekit-device-bench", json["format"]!!.jsonPrimitive.content)
        assertEquals(bundle.sha256, json["bundle"]!!.jsonObject["bundle_sha256"]!!.jsonPrimitive.content)
        assertEquals("executorch", json["app"]!!.jsonObject["runtime"]!!.jsonPrimitive.content)
        assertEquals("0.1.0", json["app"]!!.jsonObject["app_version"]!!.jsonPrimitive.content)
        assertEquals("Android", json["device"]!!.jsonObject["system"]!!.jsonPrimitive.content)
        assertTrue(Regex("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ").matches(json["taken"]!!.jsonPrimitive.content))
        val results = json["results"]!!.jsonArray.map { it.jsonObject }
        assertEquals(bundle.artifacts.map { it.scheme }, results.map { it["scheme"]!!.jsonPrimitive.content })
        for ((result, artifact) in results.zip(bundle.artifacts)) {
            assertEquals(artifact.sha256, result["sha256"]!!.jsonPrimitive.content)
            assertEquals(20, result["n"]!!.jsonPrimitive.int)
            assertEquals(10, result["warmup"]!!.jsonPrimitive.int)
            val figures = listOf("min_ms", "median_ms", "p90_ms").map { result[it]!!.jsonPrimitive.double }
            assertEquals(figures.sorted(), figures)
            assertTrue(result["peak_memory_bytes"]!!.jsonPrimitive.long >= 0)
            assertTrue(figures[0] > 0 && result["load_ms"]!!.jsonPrimitive.double > 0)
        }
    }

    @Test
    fun `results and choices survive a rotation`() {
        val controller = screen(bundle("lenet"))
        val artifacts = controller.get().findViewById<RadioGroup>(R.id.artifacts)
        artifacts.check(artifacts.getChildAt(1).id)
        controller.get().run()
        val median = controller.get().findViewById<LinearLayout>(R.id.results).getChildAt(0).findViewById<TextView>(R.id.median).text
        val rotated = rotate(controller)
        val kept = rotated.findViewById<RadioGroup>(R.id.artifacts)
        assertEquals(kept.getChildAt(1).id, kept.checkedRadioButtonId)
        val again = rotated.findViewById<LinearLayout>(R.id.results).getChildAt(0)
        assertEquals(median, again.findViewById<TextView>(R.id.median).text)
    }

    /** Drawing takes time from what is being timed, and a screen reader would read them out again. */
    @Test
    fun `results that are there stay as they are while the next one is measured`() {
        val activity = screen(bundle("lenet")).get()
        activity.run()
        val card = activity.findViewById<LinearLayout>(R.id.results).getChildAt(0)
        activity.findViewById<View>(R.id.run).performClick()
        assertEquals("Stop", activity.text(R.id.run))
        assertSame(card, activity.findViewById<LinearLayout>(R.id.results).getChildAt(0))
        await("the result") { activity.shows(R.id.share) }
        assertEquals(2, activity.findViewById<LinearLayout>(R.id.results).childCount)
    }

    @Test
    fun `where nothing can be written it says so`() {
        val activity = screen(bundle("lenet")).get()
        activity.run()
        val folder = SharedFiles.place(app, SharedFiles.RESULTS).parentFile!!
        folder.deleteRecursively()
        folder.writeText("in the way")
        activity.findViewById<View>(R.id.share).performClick()
        await("words") { activity.shows(R.id.failure) }
        assertTrue(activity.shows(R.id.share))
    }

    @Test
    fun `a streaming model's call is measured too`() {
        val activity = screen(bundle("kws_gru")).get()
        activity.run()
        assertEquals(1, activity.findViewById<LinearLayout>(R.id.results).childCount)
    }

    @Test
    fun `it can be stopped, and keeps what it has`() {
        val activity = screen(bundle("mobilenet_v3_small")).get()
        val runs = activity.findViewById<RadioGroup>(R.id.runs)
        runs.check(runs.getChildAt(2).id)
        activity.findViewById<View>(R.id.run).performClick()
        assertEquals("Stop", activity.text(R.id.run))
        activity.findViewById<View>(R.id.run).performClick()
        await("the end") { activity.shows(R.id.share) }
        assertTrue(activity.words(), !activity.words().contains("500 runs"))
    }

    @Test
    fun `memory that is held is seen, also after it was given back`() {
        val memory = Memory()
        assertTrue("${memory.peak}", memory.peak!! == 0L)
        var held: ByteBuffer? = ByteBuffer.allocateDirect(64 shl 20)
        for (page in 0 until held!!.capacity() step 4096) held.put(page, 1)
        memory.look()
        assertTrue("${memory.peak}", memory.peak!! > 48 shl 20)
        held = null
        System.gc()
        memory.look()
        assertTrue("${memory.peak}", memory.peak!! > 48 shl 20)
    }

    @Test
    fun `nothing but the two shared files is handed out`() {
        val provider = Robolectric.buildContentProvider(SharedFiles::class.java).create("${app.packageName}.shared").get()
        for (path in listOf("models", "../models", "shared/photo.jpg", "")) {
            try {
                provider.openFile(Uri.parse("content://${app.packageName}.shared/$path"), "r")
                error("$path was opened")
            } catch (_: FileNotFoundException) {
                // As it should be.
            }
        }
    }
}
