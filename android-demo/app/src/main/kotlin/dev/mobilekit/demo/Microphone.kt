package dev.mobilekit.demo

import android.annotation.SuppressLint
import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder
import dev.mobilekit.InputException
import java.io.Closeable

/**
 * The microphone: 16-bit mono at the model's rate, scaled as docs/audio-preprocessing.md says. Needs RECORD_AUDIO.
 * Throws [InputException] where the phone cannot record.
 */
class Microphone(rate: Int) : Closeable {
    private val samples = ShortArray(rate / 50)
    private val record: AudioRecord

    // The screen asks for it before it comes here.
    init {
        @SuppressLint("MissingPermission")
        fun opened(): AudioRecord {
            val least = AudioRecord.getMinBufferSize(rate, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT)
            if (least <= 0) throw InputException("this phone does not record at $rate Hz")
            // Not the source for calls: its noise suppression is another preprocessing than the model's.
            return AudioRecord(
                MediaRecorder.AudioSource.VOICE_RECOGNITION,
                rate,
                AudioFormat.CHANNEL_IN_MONO,
                AudioFormat.ENCODING_PCM_16BIT,
                maxOf(least, rate),
            )
        }
        record = opened()
        if (record.state != AudioRecord.STATE_INITIALIZED) {
            record.release()
            throw InputException("the microphone cannot be opened", "another app may be using it")
        }
        record.startRecording()
    }

    /** Waits for 20 ms of sound and puts it into [into] from the start on; how many samples these are. */
    fun read(into: FloatArray): Int {
        val count = record.read(samples, 0, minOf(samples.size, into.size))
        if (count < 0) throw InputException("the microphone stopped (error $count)", "another app may have taken it")
        for (index in 0 until count) into[index] = samples[index] / 32768f
        return count
    }

    override fun close() {
        if (record.recordingState == AudioRecord.RECORDSTATE_RECORDING) record.stop()
        record.release()
    }
}
