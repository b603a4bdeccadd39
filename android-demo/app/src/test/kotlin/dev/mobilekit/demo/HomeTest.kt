package dev.mobilekit.demo

import android.widget.LinearLayout
import dev.mobilekit.Manifest
import kotlinx.serialization.json.JsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File

/** What the first screen says of whole, broken and missing bundles: words, never a crash. */
class HomeTest : AppTest() {
    private fun home(): HomeActivity {
        val home = open(HomeActivity::class.java).get()
        await("the check") { !home.shows(R.id.checking) }
        return home
    }

    @Test
    fun `whole bundles are ready, and each offers what it can do`() {
        embed(bundle("lenet"), bundle("kws_gru"))
        val home = home()
        val actions = home.findViewById<LinearLayout>(R.id.actions)
        assertTrue(home.words(), home.words().contains("kws_gru") && home.words().contains("lenet"))
        assertTrue(home.words().contains("Keyword spotting"))
        assertFalse(home.words().contains("Live camera"))

        home.findViewById<LinearLayout>(R.id.bundles).getChildAt(1).performClick()
        assertFalse(home.words().contains("Keyword spotting"))
        assertTrue(home.words().contains("Live camera"))
        actions.getChildAt(0).performClick()
        val started = shadowOf(home).nextStartedActivity
        assertEquals(PhotoActivity::class.java.name, started.component?.className)
        assertEquals("lenet", started.getStringExtra(Screen.EXTRA_BUNDLE))
    }

    @Test
    fun `the chosen bundle survives a rotation, without another check`() {
        embed(bundle("lenet"), bundle("kws_gru"))
        val controller = open(HomeActivity::class.java)
        await("the check") { !controller.get().shows(R.id.checking) }
        controller.get().findViewById<LinearLayout>(R.id.bundles).getChildAt(1).performClick()
        val rotated = rotate(controller)
        assertFalse(rotated.shows(R.id.checking))
        assertTrue(rotated.words().contains("Live camera"))
    }

    @Test
    fun `a screen reader is told a bundle's warnings too`() {
        embed(bundle("lenet") { all -> all.with("warnings") { names("nobody trained it") } })
        val card = home().findViewById<LinearLayout>(R.id.bundles).getChildAt(0)
        assertTrue("${card.contentDescription}", card.contentDescription.contains("nobody trained it"))
    }

    /** Both lie on the window's background: the other way round nobody would see the buttons in them. */
    @Test
    fun `the system's bars are dark on light by day, and light on dark by night`() {
        embed()
        fun dark(bars: Int) = home().theme.obtainStyledAttributes(intArrayOf(bars)).use { it.getBoolean(0, false) }
        val both = listOf(android.R.attr.windowLightStatusBar, android.R.attr.windowLightNavigationBar)
        assertEquals(listOf(true, true), both.map(::dark))
        RuntimeEnvironment.setQualifiers("+night")
        assertEquals(listOf(false, false), both.map(::dark))
    }

    @Test
    fun `without a bundle it says how to embed one`() {
        embed(runtime = { error("nothing to load") })
        assertTrue(home().words().contains("mobilekit embed"))
    }

    @Test
    fun `a changed file is refused`() {
        val broken = bundle("lenet")
        val model = broken.listFiles()!!.first { it.name.endsWith("int8.pte") }
        model.writeBytes(model.readBytes().also { it[100] = (it[100] + 1).toByte() })
        assertRefused(broken, model.name, "SHA-256")
    }

    @Test
    fun `a missing model is refused`() {
        val broken = bundle("lenet")
        broken.listFiles()!!.filter { it.extension == "pte" }.forEach { assertTrue(it.delete()) }
        assertRefused(broken, "holds no model", "embed the bundle again")
    }

    @Test
    fun `a missing golden tensor is found by the golden screen, missing labels by the check`() {
        val broken = bundle("lenet")
        assertTrue(File(broken, "labels.txt").delete())
        assertRefused(broken, "labels.txt is missing")
    }

    @Test
    fun `a higher schema version is refused`() = assertRefused(
        bundle("lenet") { it.with("schema_version") { JsonPrimitive(Manifest.SCHEMA_VERSION + 1) } },
        "schema_version",
    )

    @Test
    fun `nonsense in bundle json is refused`() {
        val broken = bundle("lenet")
        File(broken, Manifest.FILE).writeText("{\"schema_version\": 1,")
        assertRefused(broken, Manifest.FILE)
    }

    @Test
    fun `a missing operator is named`() {
        val needing = bundle("lenet") { all -> all.withArtifacts { it.with("operators") { names("aten::mean.out") } } }
        assertRefused(needing, "aten::mean.out", runtime = { native(operators = setOf("aten::add.out")) })
    }

    @Test
    fun `a missing backend is named`() =
        assertRefused(bundle("lenet"), "XnnpackBackend", runtime = { native(backends = emptySet()) })

    @Test
    fun `a runtime that is too old is named`() {
        val newer = bundle("lenet") { all -> all.withArtifacts { it.with("minimum_runtime") { JsonPrimitive("99.0") } } }
        assertRefused(newer, "99.0")
    }

    @Test
    fun `a phone without a fitting native library gets words`() =
        assertRefused(bundle("lenet"), "libexecutorch.so", runtime = { throw UnsatisfiedLinkError("no libexecutorch.so") })

    private fun assertRefused(
        broken: File,
        vararg said: String,
        runtime: () -> dev.mobilekit.Runtime = { native() },
    ) {
        embed(broken, runtime = runtime)
        val words = home().words()
        assertTrue(words, words.contains("${broken.name} cannot run"))
        for (part in said) assertTrue("$part\n---\n$words", words.contains(part))
        assertFalse(words, words.contains("Try it"))
        // A screen that was opened all the same (by the system, after the app was updated) says it as well.
        for (screen in listOf(PhotoActivity::class.java, GoldenActivity::class.java, BenchmarkActivity::class.java)) {
            val opened = open(screen, broken.name).get()
            await("words instead of a crash") { opened.shows(R.id.failure) }
            assertTrue(opened.words(), opened.words().contains(said[0]))
        }
    }
}
