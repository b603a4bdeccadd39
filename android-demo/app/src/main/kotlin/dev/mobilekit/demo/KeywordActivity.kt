package dev.mobilekit.demo

import android.Manifest
import android.content.pm.PackageManager
import android.view.View
import android.widget.ImageButton
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.TextView
import dev.mobilekit.InputException
import kotlin.math.log10
import kotlin.math.max
import kotlin.math.roundToInt
import kotlin.math.sqrt

/** What is heard. */
sealed interface KeywordState {
    data object Loading : KeywordState

    data class Ready(val words: List<Guess>, val note: String? = null) : KeywordState

    /** [level]: how loud it is, 0 to 1; [words]: those that were recognized, the last one first. */
    data class Listening(val now: List<Guess>, val level: Double, val words: List<Guess>) : KeywordState

    data class Failed(val words: String) : KeywordState
}

class KeywordModel(private val services: Services, private val name: String) : ScreenModel<KeywordState>(KeywordState.Loading) {
    private var loaded: KeywordSpotter? = null

    @Volatile
    private var listening = false

    init {
        work {
            spotter()
            show(KeywordState.Ready(emptyList()))
        }
    }

    private fun spotter() = loaded ?: KeywordSpotter.open(services, name).also { loaded = it }

    fun start() {
        if (listening) return
        listening = true
        work {
            try {
                listen(spotter())
            } finally {
                listening = false
            }
        }
    }

    fun stop() {
        listening = false
    }

    override fun say(words: String) = show(KeywordState.Ready((state as? KeywordState.Ready)?.words.orEmpty(), words))

    private fun listen(spotter: KeywordSpotter) {
        var words = emptyList<Guess>()
        var now = emptyList<Guess>()
        try {
            Microphone(spotter.spec.sampleRate).use { microphone ->
                val samples = FloatArray(spotter.spec.sampleRate / 10)
                spotter.reset()
                while (listening && !closed) {
                    val count = microphone.read(samples)
                    if (count == 0) break
                    val heard = spotter.push(samples, count)
                    // Two states hear the same: the one that has heard less of a word knows less.
                    now = heard.map { it.guesses }.maxByOrNull { it[0].probability } ?: now
                    val sure = heard.filter { it.final && it.guesses[0].probability >= SURE }.map { it.guesses[0] }
                    words = (sure.reversed() + words).take(MOST)
                    show(KeywordState.Listening(now, level(samples, count), words))
                }
            }
        } catch (error: SecurityException) {
            throw InputException("the microphone may not be used: ${error.message}", cause = error)
        }
        show(KeywordState.Ready(words))
    }

    /** -60 dB to 0 dB as 0 to 1. */
    private fun level(samples: FloatArray, count: Int): Double {
        var sum = 0.0
        for (index in 0 until count) sum += samples[index].toDouble() * samples[index]
        val rms = sqrt(sum / max(1, count))
        return if (rms <= 0.0) 0.0 else (1 + log10(rms) / 3).coerceIn(0.0, 1.0)
    }

    override fun failed(words: String) = KeywordState.Failed(words)

    override fun release() {
        loaded?.close()
    }

    private companion object {
        /** Below it the model guesses; noise gets answers too, since it knows words only. */
        const val SURE = 0.8
        const val MOST = 8
    }
}

/** Words from the microphone, as they are said. */
class KeywordActivity : Screen<KeywordState, KeywordModel>(R.layout.keyword) {
    override fun create() = KeywordModel(services, bundleName)

    override fun prepare() {
        findViewById<View>(R.id.listen).setOnClickListener {
            if (model.state is KeywordState.Listening) model.stop() else startIfAllowed()
        }
    }

    /** No app may listen where it is not seen. A rotation is no such place. */
    override fun onStop() {
        if (!isChangingConfigurations) model.stop()
        super.onStop()
    }

    override fun render(state: KeywordState) {
        val listening = state as? KeywordState.Listening
        findViewById<View>(R.id.working).shown(state is KeywordState.Loading)
        findViewById<View>(R.id.failure).shown(state is KeywordState.Failed)
        if (state is KeywordState.Failed) findViewById<TextView>(R.id.failure_words).text = state.words
        findViewById<ImageButton>(R.id.listen).apply {
            isEnabled = state !is KeywordState.Loading
            isActivated = listening != null
            setImageResource(if (listening != null) R.drawable.ic_stop else R.drawable.ic_microphone)
            contentDescription = getString(if (listening != null) R.string.stop_listening else R.string.start_listening)
        }
        findViewById<TextView>(R.id.listen_hint).words(
            when (state) {
                is KeywordState.Listening -> getString(R.string.listening)
                is KeywordState.Ready -> state.note ?: getString(R.string.tap_and_speak)
                else -> ""
            },
        )
        findViewById<ProgressBar>(R.id.level).progress = ((listening?.level ?: 0.0) * 1000).roundToInt()
        findViewById<LinearLayout>(R.id.guesses).showGuesses(listening?.now.orEmpty())
        findViewById<View>(R.id.now).shown(!listening?.now.isNullOrEmpty())
        val words = listening?.words ?: (state as? KeywordState.Ready)?.words.orEmpty()
        findViewById<View>(R.id.heard_title).shown(words.isNotEmpty())
        findViewById<TextView>(R.id.heard)
            .words(words.joinToString("\n") { getString(R.string.guess, it.label, percent(it.probability)) })
    }

    private fun startIfAllowed() {
        if (checkSelfPermission(Manifest.permission.RECORD_AUDIO) == PackageManager.PERMISSION_GRANTED) {
            model.start()
        } else {
            requestPermissions(arrayOf(Manifest.permission.RECORD_AUDIO), MICROPHONE)
        }
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<out String>, grantResults: IntArray) {
        if (grantResults.isEmpty()) return
        if (grantResults[0] == PackageManager.PERMISSION_GRANTED) model.start() else model.say(getString(R.string.microphone_denied))
    }

    private companion object {
        const val MICROPHONE = 1
    }
}
