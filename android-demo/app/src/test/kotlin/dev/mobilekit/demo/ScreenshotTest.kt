package dev.mobilekit.demo

import android.Manifest
import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.net.Uri
import android.content.pm.PackageManager
import android.view.View
import android.widget.LinearLayout
import android.widget.RadioGroup
import dev.mobilekit.Bundle
import dev.mobilekit.FolderFiles
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadows.ShadowAudioRecord
import java.io.File

/**
 * The screens as Android's own graphics draw them, written as PNG files: light, dark, German.
 *
 *     mvn -f android-demo/pom.xml verify -Dmobilekit.bundles=DIR -Dmobilekit.screenshots=android-demo/screenshots
 */
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class ScreenshotTest : AppTest() {
    private val looks = mapOf("light" to "en-notnight", "dark" to "en-night", "german" to "de-notnight")

    private fun place(): File {
        val given = System.getProperty("mobilekit.screenshots").orEmpty()
        assumeTrue("no place for screenshots was given: -Dmobilekit.screenshots=FOLDER", given.isNotEmpty())
        return File(given).apply { mkdirs() }
    }

    private fun each(name: String, draw: () -> Activity) {
        val place = place()
        for ((look, qualifiers) in looks) {
            RuntimeEnvironment.setQualifiers("+$qualifiers")
            val view = draw().window.decorView
            val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
            view.draw(Canvas(bitmap))
            File(place, "$name-$look.png").outputStream().use { assertTrue(bitmap.compress(Bitmap.CompressFormat.PNG, 100, it)) }
        }
    }

    @Test
    fun home() {
        embed(bundle("kws_gru"), bundle("mobilenet_v3_small"))
        each("home") { homeWith(1) }
    }

    @Test
    fun empty() {
        embed()
        each("empty") { homeWith(null) }
    }

    @Test
    fun broken() {
        val broken = bundle("lenet")
        File(broken, "labels.txt").appendText("eleven\n")
        embed(broken, bundle("mobilenet_v3_small"))
        each("broken") { homeWith(null) }
    }

    private fun homeWith(chosen: Int?): Activity {
        val home = open(HomeActivity::class.java).get()
        await("the check") { !home.shows(R.id.checking) }
        chosen?.let { home.findViewById<LinearLayout>(R.id.bundles).getChildAt(it).performClick() }
        return settled(home)
    }

    @Test
    fun photo() {
        val folder = bundle("mobilenet_v3_small")
        embed(folder)
        shadowOf(app.packageManager).setSystemFeature(PackageManager.FEATURE_CAMERA_ANY, true)
        each("photo") {
            val activity = open(PhotoActivity::class.java, folder.name).get()
            await("the model") { activity.shows(R.id.hint) }
            Gallery.folder = File(folder, "golden/000")
            Robolectric.buildContentProvider(Gallery::class.java).create(Gallery.AUTHORITY)
            activity.findViewById<View>(R.id.pick).performClick()
            val asked = shadowOf(activity).nextStartedActivity
            shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, Intent().setData(Uri.parse("content://${Gallery.AUTHORITY}/image.jpg")))
            await("an answer") { !activity.shows(R.id.working) }
            assertTrue(activity.words(), activity.shows(R.id.answer))
            settled(activity)
        }
    }

    @Test
    fun camera() {
        val folder = bundle("mobilenet_v3_small")
        embed(folder)
        each("camera") {
            val activity = open(CameraActivity::class.java, folder.name).get()
            await("the model") { activity.shows(R.id.permission) }
            settled(activity)
        }
    }

    @Test
    fun keyword() {
        val folder = bundle("kws_gru")
        embed(folder)
        val bundle = Bundle.open(FolderFiles(folder))
        val waveform = bundle.tensor(bundle.manifest.golden[0].waveform!!).floats()
        Recording(waveform).play()
        shadowOf(app).grantPermissions(Manifest.permission.RECORD_AUDIO)
        each("keyword") {
            val activity = open(KeywordActivity::class.java, folder.name).get()
            await("the model") { !activity.shows(R.id.working) }
            activity.findViewById<View>(R.id.listen).performClick()
            await("a word that is sure") { activity.shows(R.id.heard_title) && activity.shows(R.id.now) }
            settled(activity)
        }
        ShadowAudioRecord.clearSource()
    }

    @Test
    fun golden_samples() {
        val folder = bundle("mobilenet_v3_small", samples = 3)
        embed(folder)
        each("golden") {
            val activity = open(GoldenActivity::class.java, folder.name).get()
            await("the verdict") { activity.shows(R.id.verdict) }
            settled(activity)
        }
    }

    @Test
    fun benchmark() {
        val folder = bundle("mobilenet_v3_small")
        embed(folder)
        each("benchmark") {
            val activity = open(BenchmarkActivity::class.java, folder.name).get()
            await("the artifacts") { activity.shows(R.id.choices) }
            for (index in 0..1) {
                activity.findViewById<RadioGroup>(R.id.artifacts).let { it.check(it.getChildAt(index).id) }
                activity.findViewById<View>(R.id.run).performClick()
                await("the result") { activity.shows(R.id.share) }
            }
            settled(activity)
        }
    }

    /** Laid out anew after the last change. */
    private fun settled(activity: Activity): Activity {
        shadowOf(android.os.Looper.getMainLooper()).idle()
        return activity
    }
}
