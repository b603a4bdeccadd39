package dev.mobilekit.demo

import dev.mobilekit.AudioPreprocessor
import dev.mobilekit.AudioSpec
import dev.mobilekit.Bundle
import dev.mobilekit.BundleException
import dev.mobilekit.ModelRunner
import dev.mobilekit.StreamSession
import dev.mobilekit.classify
import java.io.Closeable

/** What was heard so far; [final] where the answer is that of a whole clip. */
data class Heard(val guesses: List<Guess>, val final: Boolean)

/**
 * A loaded streaming model that hears endless sound: [push] takes samples as they come. The model was trained on
 * clips, and so starts over after each; a second state half a clip later hears the words that the first one cuts in
 * two. Not for two threads at once.
 */
class KeywordSpotter private constructor(
    private val bundle: Bundle,
    private val runner: ModelRunner,
    val spec: AudioSpec,
    sessions: List<StreamSession>,
) : Closeable {
    private val stream = AudioPreprocessor(spec).stream()
    private val frames = sessions[0].spec.frames
    private val calls = maxOf(1, spec.frames / frames)
    private val listeners = sessions.mapIndexed { index, session -> Listener(session, -(index * calls / sessions.size)) }
    private val waiting = ArrayDeque<FloatArray>()

    private class Listener(val session: StreamSession, var call: Int)

    /** Any number of samples at the model's rate -> the answers that they complete, in order. */
    fun push(samples: FloatArray, count: Int = samples.size): List<Heard> {
        waiting += stream.push(samples, 0, count)
        val heard = mutableListOf<Heard>()
        while (waiting.size >= frames) {
            val piece = List(frames) { waiting.removeFirst() }
            listeners.mapNotNullTo(heard) { listen(it, piece) }
        }
        return heard
    }

    private fun listen(listener: Listener, piece: List<FloatArray>): Heard? {
        if (listener.call < 0) {
            listener.call++
            return null
        }
        if (listener.call == 0) listener.session.reset()
        val outputs = listener.session.push(piece)
        listener.call = (listener.call + 1) % calls
        val guesses = classify(outputs[0], COUNT).map { Guess(bundle.label(it.index), it.probability) }
        return Heard(guesses, listener.call == 0)
    }

    /** Forgets all sound. */
    fun reset() {
        stream.reset()
        waiting.clear()
        listeners.forEachIndexed { index, listener -> listener.call = -(index * calls / listeners.size) }
    }

    override fun close() = runner.close()

    companion object {
        private const val COUNT = 3

        fun open(services: Services, name: String): KeywordSpotter {
            val ready = services.ready(name)
            val manifest = ready.bundle.manifest
            val spec = manifest.preprocess as? AudioSpec
                ?: throw BundleException("$name hears nothing", "choose a bundle of an audio classifier")
            manifest.stream ?: throw BundleException("$name is no streaming model", "export it without --form whole")
            val runner = services.load(ready.bundle, ready.artifact, threads = 1)
            val sessions = List(2) { StreamSession(manifest, ready.artifact, runner) }
            return KeywordSpotter(ready.bundle, runner, spec, sessions)
        }
    }
}
