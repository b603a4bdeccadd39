package dev.mobilekit.demo

import dev.mobilekit.Artifact
import dev.mobilekit.ModelRunner
import dev.mobilekit.Runtime
import dev.mobilekit.Tensor
import java.io.File

/**
 * ExecuTorch has one pool of threads for all models. Loading one with another number of threads frees the pool that the
 * models before it still point to. So nothing runs while a model is loaded, and a model whose pool is gone is loaded
 * again before it runs: a screen that is being left may still be at work behind the next one.
 */
class OnePool(private val runtime: Runtime) : Runtime by runtime {
    private var threads = 0
    private var pools = 0

    override fun load(artifact: Artifact, file: File, threads: Int): ModelRunner =
        Pooled(artifact, file, threads).also { synchronized(this) { it.load() } }

    /** Everything in it is called by whoever holds the pool. */
    private inner class Pooled(private val artifact: Artifact, private val file: File, private val wanted: Int) : ModelRunner {
        private var runner: ModelRunner? = null
        private var pool = 0

        fun load(): ModelRunner {
            close()
            if (threads != wanted) pools++
            threads = wanted
            pool = pools
            return runtime.load(artifact, file, wanted).also { runner = it }
        }

        override fun run(inputs: List<Tensor>): List<Tensor> = synchronized(this@OnePool) {
            (runner.takeIf { pool == pools } ?: load()).run(inputs)
        }

        override fun close() = synchronized(this@OnePool) {
            runner?.close()
            runner = null
        }
    }
}
