package dev.mobilekit.demo

import android.app.Activity
import android.content.Intent
import android.os.Looper
import android.view.View
import android.widget.TextView
import dev.mobilekit.Artifact
import dev.mobilekit.Bundle
import dev.mobilekit.BundleFiles
import dev.mobilekit.FolderFiles
import dev.mobilekit.GoldenSample
import dev.mobilekit.Runtime
import dev.mobilekit.testing.NativeRuntime
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.After
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Rule
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import java.io.File

/** Bundles in folders, under the name of the folder. */
class FolderBundles(vararg folders: File) : BundleSource {
    private val found = folders.associateBy { it.name }

    override fun names() = found.keys.sorted()

    override fun files(name: String): BundleFiles = Named(FolderFiles(found.getValue(name)), name)

    /** By the bundle's name, as in the app, and not by a path of this machine. */
    private class Named(files: BundleFiles, override val name: String) : BundleFiles by files
}

/**
 * The app in Robolectric, its models run by the native runner of this machine: everything is real from the activity to
 * the runtime's C++, but for JNI. Skips where the golden bundles are missing.
 */
@RunWith(RobolectricTestRunner::class)
@Config(qualifiers = "en-w411dp-h891dp-port-notnight-xhdpi")
abstract class AppTest {
    @get:Rule
    val scratch = TemporaryFolder()
    private val opened = mutableListOf<ActivityController<out Activity>>()

    protected val app: Demo get() = RuntimeEnvironment.getApplication() as Demo

    @After
    fun closeScreens() = opened.forEach { if (!it.get().isDestroyed) it.pause().stop().destroy() }

    /** The folder that golden_bundles.py filled. */
    protected fun golden(): File {
        val given = System.getProperty("mobilekit.bundles").orEmpty()
        assumeTrue("no golden bundles: $MAKE", given.isNotEmpty())
        check(File(given).isDirectory) { "$given is no folder: $MAKE" }
        return File(given)
    }

    protected fun native(operators: Set<String>? = null, backends: Set<String> = setOf("XnnpackBackend")): Runtime {
        val found = NativeRuntime.beside(golden())
        assumeTrue("the native runner is not there: $MAKE", found != null)
        val lines = File(golden(), "runner.path").readLines()
        return NativeRuntime(File(lines[0]), lines[1], backends, operators)
    }

    /** A bundle of its own, as `embed` leaves it: what ExecuTorch runs, and the first golden samples. */
    protected fun bundle(name: String, samples: Int = 2, edit: (JsonObject) -> JsonObject = { it }): File {
        val from = File(golden(), name)
        assumeTrue("no golden bundle $name: $MAKE", from.isDirectory)
        val whole = Json.parseToJsonElement(File(from, "bundle.json").readText()).jsonObject
        val short = whole.with("golden") { JsonArray(it.jsonArray.take(samples)) }
        val to = scratch.newFolder(name)
        File(to, "bundle.json").writeText(edit(short).toString())
        val bundle = Bundle.open(FolderFiles(from), check = false)
        val artifacts = bundle.artifacts.filter { it.runtime == "executorch" }
        val listed = listOfNotNull(bundle.manifest.labels) + artifacts + bundle.manifest.golden.take(samples).flatMap { it.files }
        for (entry in listed) File(from, entry.file).copyTo(File(to, entry.file), overwrite = true)
        return to
    }

    protected fun embed(vararg bundles: File, runtime: () -> Runtime = { native() }) {
        app.services = Services(FolderBundles(*bundles), ModelFiles(File(app.filesDir, "models")), runtime)
    }

    protected fun <A : Activity> open(screen: Class<A>, bundle: String = ""): ActivityController<A> {
        val intent = Intent(app, screen).putExtra(Screen.EXTRA_BUNDLE, bundle)
        val controller = Robolectric.buildActivity(screen, intent).setup()
        opened += controller
        return controller
    }

    protected fun <A : Activity> rotate(controller: ActivityController<A>): A {
        RuntimeEnvironment.setQualifiers("+land")
        return controller.configurationChange().get()
    }

    /** Lets the main thread run until [condition] holds; the limit is there for a test that would never end. */
    protected fun await(what: String, condition: () -> Boolean) {
        val limit = System.nanoTime() + 120_000_000_000
        while (!condition()) {
            assertTrue("waited in vain for: $what", System.nanoTime() < limit)
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(2)
        }
    }

    protected fun Activity.text(id: Int): String = findViewById<TextView>(id).text.toString()

    protected fun Activity.shows(id: Int): Boolean = findViewById<View>(id).visibility == View.VISIBLE

    /** All words on the screen that can be seen. */
    protected fun Activity.words(): String = words(window.decorView).joinToString("\n")

    private fun words(view: View): List<String> = when {
        view.visibility != View.VISIBLE -> emptyList()
        view is TextView -> listOf(view.text.toString())
        view is android.view.ViewGroup -> (0 until view.childCount).flatMap { words(view.getChildAt(it)) }
        else -> emptyList()
    }

    protected companion object {
        const val MAKE = "make them with: python tests/android/golden_bundles.py DIR, then -Dmobilekit.bundles=DIR"
    }
}

/** This object with one field made anew. */
fun JsonObject.with(field: String, edit: (JsonElement) -> JsonElement): JsonObject =
    JsonObject(toMutableMap().also { it[field] = edit(getValue(field)) })

/** This bundle.json with every artifact of ExecuTorch made anew. */
fun JsonObject.withArtifacts(edit: (JsonObject) -> JsonObject): JsonObject = with("artifacts") { all ->
    JsonArray(all.jsonArray.map { if (it.jsonObject["runtime"]!!.jsonPrimitive.content == "executorch") edit(it.jsonObject) else it })
}

fun names(vararg names: String) = JsonArray(names.map { JsonPrimitive(it) })

/** What the desk's artifact answered last: the class of the golden outputs. */
fun Bundle.goldenLabel(sample: GoldenSample, artifact: Artifact): String {
    val outputs = sample.outputs.first { it.target == artifact.target && it.scheme == artifact.scheme }
    val logits = tensor(outputs.outputs[0])
    val last = logits.values().takeLast(logits.shape.last())
    return label(last.indices.maxBy { last[it] })
}
