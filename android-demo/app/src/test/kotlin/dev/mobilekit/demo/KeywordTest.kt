package dev.mobilekit.demo

import android.Manifest
import android.content.pm.PackageManager
import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.widget.TextView
import dev.mobilekit.Bundle
import dev.mobilekit.FolderFiles
import dev.mobilekit.softmax
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowAudioRecord
import java.util.Collections
import java.util.IdentityHashMap
import kotlin.math.roundToInt

/** A microphone that hears a waveform, again and again. */
class Recording(private val waveform: FloatArray) : ShadowAudioRecord.AudioRecordSource {
    private var at = 0

    /** Robolectric asks for a source anew at every read. */
    fun play() = ShadowAudioRecord.setSourceProvider { this }

    // Waits as a microphone does, though not as long: else the screen could not follow.
    override fun readInShortArray(audioData: ShortArray, offsetInShorts: Int, sizeInShorts: Int, isBlocking: Boolean): Int {
        Thread.sleep(4)
        repeat(sizeInShorts) {
            audioData[offsetInShorts + it] = (waveform[at++ % waveform.size] * 32768).roundToInt().coerceIn(-32768, 32767).toShort()
        }
        return sizeInShorts
    }
}

/** Words from sound, by the streaming model, as the sound comes. */
class KeywordTest : AppTest() {
    @After
    fun silence() = ShadowAudioRecord.clearSource()

    @Test
    fun `a whole clip, in pieces of any size, gets the desk's last answer`() {
        val folder = bundle("kws_gru", samples = 9)
        embed(folder)
        val bundle = Bundle.open(FolderFiles(folder))
        val artifact = bundle.artifacts.minBy { it.bytes }
        KeywordSpotter.open(app.services, folder.name).use { spotter ->
            for (sample in bundle.manifest.golden) {
                spotter.reset()
                val waveform = bundle.tensor(sample.waveform!!).floats()
                val heard = waveform.toList().chunked(321).flatMap { spotter.push(it.toFloatArray()) }
                val last = heard.first { it.final }
                val outputs = sample.outputs.first { it.target == artifact.target && it.scheme == artifact.scheme }
                val expected = softmax(bundle.tensor(outputs.outputs[0]).values().takeLast(10).toDoubleArray())
                assertEquals(sample.id, bundle.goldenLabel(sample, artifact), last.guesses[0].label)
                assertEquals(sample.id, expected.max(), last.guesses[0].probability, 0.02)
            }
        }
    }

    @Test
    fun `the microphone is listened to until it is told to stop, and a rotation is no reason to`() {
        val folder = bundle("kws_gru")
        embed(folder)
        val bundle = Bundle.open(FolderFiles(folder))
        val waveform = bundle.tensor(bundle.manifest.golden[0].waveform!!).floats()
        Recording(waveform).play()
        shadowOf(app).grantPermissions(Manifest.permission.RECORD_AUDIO)
        val controller = open(KeywordActivity::class.java, folder.name)
        await("the model") { !controller.get().shows(R.id.working) }
        controller.get().findViewById<View>(R.id.listen).performClick()
        val word = bundle.goldenLabel(bundle.manifest.golden[0], bundle.artifacts.minBy { it.bytes })
        await(word) { (controller.get().model.state as? KeywordState.Listening)?.words?.firstOrNull()?.label == word }
        await("a loud moment") { (controller.get().model.state as? KeywordState.Listening)?.let { it.level > 0.5 } == true }
        assertEquals("Stop listening", controller.get().findViewById<View>(R.id.listen).contentDescription)

        val rotated = rotate(controller)
        assertTrue(rotated.model.state is KeywordState.Listening)
        rotated.findViewById<View>(R.id.listen).performClick()
        await("the end") { rotated.model.state is KeywordState.Ready }
        assertFalse(rotated.shows(R.id.failure))
    }

    /** A screen reader reads out what is written anew, and would never end. */
    @Test
    fun `words are not written again as long as they are the same`() {
        val folder = bundle("kws_gru")
        embed(folder)
        Recording(FloatArray(16_000)).play()
        shadowOf(app).grantPermissions(Manifest.permission.RECORD_AUDIO)
        val activity = open(KeywordActivity::class.java, folder.name).get()
        await("the model") { !activity.shows(R.id.working) }
        activity.findViewById<View>(R.id.listen).performClick()
        await("listening") { activity.model.state is KeywordState.Listening }
        val written = mutableListOf<String>()
        activity.findViewById<TextView>(R.id.listen_hint).addTextChangedListener(object : TextWatcher {
            override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit
            override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit
            override fun afterTextChanged(text: Editable) { written += text.toString() }
        })
        val states = Collections.newSetFromMap(IdentityHashMap<KeywordState, Boolean>())
        await("more states") { states.add(activity.model.state) && states.size > 20 }
        assertEquals(emptyList<String>(), written)
    }

    @Test
    fun `it stops where it is not seen`() {
        val folder = bundle("kws_gru")
        embed(folder)
        Recording(FloatArray(16_000)).play()
        shadowOf(app).grantPermissions(Manifest.permission.RECORD_AUDIO)
        val controller = open(KeywordActivity::class.java, folder.name)
        await("the model") { !controller.get().shows(R.id.working) }
        controller.get().findViewById<View>(R.id.listen).performClick()
        await("listening") { controller.get().model.state is KeywordState.Listening }
        controller.pause().stop()
        await("the end") { controller.get().model.state is KeywordState.Ready }
    }

    @Test
    fun `without the permission it says so`() {
        val folder = bundle("kws_gru")
        embed(folder)
        val activity = open(KeywordActivity::class.java, folder.name).get()
        await("the model") { !activity.shows(R.id.working) }
        activity.findViewById<View>(R.id.listen).performClick()
        val request = shadowOf(activity).lastRequestedPermission
        assertEquals(listOf(Manifest.permission.RECORD_AUDIO), request.requestedPermissions.toList())
        activity.onRequestPermissionsResult(request.requestCode, request.requestedPermissions, intArrayOf(PackageManager.PERMISSION_DENIED))
        assertTrue(activity.words(), activity.words().contains("permission"))
    }

    @Test
    fun `a microphone that stops gets words`() {
        val folder = bundle("kws_gru")
        embed(folder)
        ShadowAudioRecord.setSourceProvider {
            object : ShadowAudioRecord.AudioRecordSource {
                override fun readInShortArray(audioData: ShortArray, offsetInShorts: Int, sizeInShorts: Int, isBlocking: Boolean) = -6
            }
        }
        shadowOf(app).grantPermissions(Manifest.permission.RECORD_AUDIO)
        val activity = open(KeywordActivity::class.java, folder.name).get()
        await("the model") { !activity.shows(R.id.working) }
        activity.findViewById<View>(R.id.listen).performClick()
        await("words") { activity.shows(R.id.failure) }
        assertTrue(activity.words(), activity.words().contains("microphone stopped"))
    }

    @Test
    fun `a bundle of pictures hears nothing, and says so`() {
        embed(bundle("lenet"))
        val activity = open(KeywordActivity::class.java, "lenet").get()
        await("words") { activity.shows(R.id.failure) }
        assertTrue(activity.words(), activity.words().contains("hears nothing"))
        shadowOf(app).grantPermissions(Manifest.permission.RECORD_AUDIO)
        repeat(2) {
            activity.model.say("") // nothing is loaded: each tap tries again, and says so again
            activity.findViewById<View>(R.id.listen).performClick()
            await("words") { activity.shows(R.id.failure) }
        }
    }
}
