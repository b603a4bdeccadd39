package dev.mobilekit.demo

import java.io.File
import java.io.IOException

/** How much memory a piece of work takes at most, above what the app had before it. Never estimates. */
class Memory {
    private val before = resident()
    private var most = before

    /** Looks once more. What was taken and given back between two looks is not seen. */
    fun look() {
        val now = resident() ?: return
        most = maxOf(most ?: now, now)
    }

    /** The most that was seen, in bytes above the beginning; null where the system does not tell. */
    val peak: Long? get() = before?.let { (most ?: it) - it }

    companion object {
        private val LINE = Regex("VmRSS:\\s+(\\d+) kB")

        /** Bytes of this process that lie in memory now, as Linux counts them (proc(5), VmRSS). */
        fun resident(): Long? = try {
            LINE.find(File("/proc/self/status").readText())?.let { it.groupValues[1].toLong() * 1024 }
        } catch (_: IOException) {
            null
        }
    }
}
