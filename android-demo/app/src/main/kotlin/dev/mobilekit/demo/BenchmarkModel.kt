package dev.mobilekit.demo

import dev.mobilekit.App
import dev.mobilekit.Artifact
import dev.mobilekit.BenchmarkReport
import dev.mobilekit.BenchmarkResult
import dev.mobilekit.Bundle
import dev.mobilekit.Device
import dev.mobilekit.Tensor
import dev.mobilekit.timings
import java.time.Instant
import java.time.temporal.ChronoUnit

/** What is measured. */
data class Plan(val artifact: Artifact, val threads: Int, val warmup: Int, val runs: Int)

sealed interface BenchmarkState {
    data object Loading : BenchmarkState

    /** [results] are all that were measured since the screen opened, the last one first. */
    data class Ready(val artifacts: List<Artifact>, val results: List<BenchmarkResult>) : BenchmarkState

    data class Running(val before: Ready, val done: Int, val of: Int) : BenchmarkState

    data class Failed(val words: String, val before: Ready?) : BenchmarkState
}

/** Measures artifacts on this phone, and makes the JSON that `mobilekit bench --import` reads. */
class BenchmarkModel(
    private val services: Services,
    name: String,
    private val device: Device,
    private val version: String,
) : ScreenModel<BenchmarkState>(BenchmarkState.Loading) {
    private var bundle: Bundle? = null

    @Volatile
    private var stopped = false

    init {
        work {
            val ready = services.ready(name)
            bundle = ready.bundle
            show(BenchmarkState.Ready(ready.artifacts, emptyList()))
        }
    }

    val ready: BenchmarkState.Ready?
        get() = when (val now = state) {
            is BenchmarkState.Ready -> now
            is BenchmarkState.Running -> now.before
            is BenchmarkState.Failed -> now.before
            BenchmarkState.Loading -> null
        }

    fun start(plan: Plan) {
        val before = ready ?: return
        stopped = false
        show(BenchmarkState.Running(before, 0, plan.runs))
        work { measure(plan, before) }
    }

    fun stop() {
        stopped = true
    }

    private fun measure(plan: Plan, before: BenchmarkState.Ready) {
        val bundle = checkNotNull(bundle) { "nothing is measured before the bundle is loaded" }
        val file = services.models.file(bundle, plan.artifact)
        val memory = Memory()
        val start = System.nanoTime()
        services.runtime.load(plan.artifact, file, plan.threads).use { runner ->
            val loadMs = (System.nanoTime() - start) / 1e6
            val inputs = plan.artifact.inputs.map { Tensor.filled(it.name, it.dtype, it.smallest, 0.0) }
            memory.look()
            val asked = Progress(plan, before, memory)
            val found = timings(runner, inputs, plan.warmup, plan.runs, SECONDS, goOn = asked::goOn)
            memory.look()
            val result = BenchmarkResult(plan.artifact, plan.threads, 1, plan.warmup, found, loadMs, memory.peak)
            show(before.copy(results = listOf(result) + before.results))
        }
    }

    /** Tells the screen how far it is and looks at the memory, now and then, between runs and not in them. */
    private inner class Progress(
        private val plan: Plan,
        private val before: BenchmarkState.Ready,
        private val memory: Memory,
    ) {
        private var asked = 0
        private var shown = System.nanoTime()

        fun goOn(): Boolean {
            val done = (++asked - plan.warmup - 1).coerceIn(0, plan.runs)
            if (System.nanoTime() - shown > REDRAW) {
                shown = System.nanoTime()
                memory.look()
                show(BenchmarkState.Running(before, done, plan.runs))
            }
            return !stopped && !closed
        }
    }

    /** The results as `mobilekit bench --import` reads them; null where there are none. */
    fun json(): String? {
        val results = ready?.results.orEmpty()
        val measured = bundle ?: return null
        if (results.isEmpty()) return null
        val runtime = services.runtime
        val taken = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()
        return BenchmarkReport(device, App(runtime.name, runtime.version, version), measured, results.reversed(), taken).json()
    }

    override fun failed(words: String) = BenchmarkState.Failed(words, ready)

    companion object {
        val THREADS = listOf(1, 2, 4)
        val RUNS = listOf(20, 100, 500)
        const val WARMUP = 10

        /** After that a phone is warm rather than measured. */
        private const val SECONDS = 60.0
        private const val REDRAW = 100_000_000L
    }
}
