package dev.mobilekit.demo

import android.app.Activity
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.view.View
import android.widget.TextView
import dev.mobilekit.MobileKitException
import java.util.concurrent.Executors
import java.util.concurrent.RejectedExecutionException

/**
 * A screen's state and the work behind it. It outlives a rotation, works on a thread of its own, one thing after the
 * other, and shows states on the main thread. Knows no view.
 */
abstract class ScreenModel<S : Any>(first: S) {
    private val main = Handler(Looper.getMainLooper())
    private val worker = Executors.newSingleThreadExecutor { Thread(it, javaClass.simpleName) }
    private var render: ((S) -> Unit)? = null

    /** Set once, by the main thread, and read by both. */
    @Volatile
    protected var closed = false
        private set

    /** Main thread only. */
    var state: S = first
        private set

    fun attach(render: (S) -> Unit) {
        this.render = render
        render(state)
    }

    fun detach() {
        render = null
    }

    /** The screen is gone for good: what is running is told to stop, then [release] frees what it held. */
    fun close() {
        closed = true
        detach()
        try {
            worker.execute { release() }
        } finally {
            worker.shutdown()
        }
    }

    /** On the worker's thread, after all work. */
    protected open fun release() = Unit

    /** What a failure looks like on this screen. */
    protected abstract fun failed(words: String): S

    /** What the activity itself has to say: a permission denied, no app for it. */
    open fun say(words: String) = show(failed(words))

    protected fun show(next: S) {
        val shown = { if (!closed) next.also { state = it }.let { render?.invoke(it) } }
        if (Looper.myLooper() == Looper.getMainLooper()) shown() else main.post { shown() }
    }

    protected fun work(task: () -> Unit) {
        try {
            worker.execute { guarded(task) }
        } catch (_: RejectedExecutionException) {
            // The screen closed while something was still coming in, a camera's frame for example.
        }
    }

    private fun guarded(task: () -> Unit) {
        if (closed) return
        try {
            task()
        } catch (error: MobileKitException) {
            show(failed(error.words))
        } catch (error: OutOfMemoryError) {
            show(failed("this phone has not enough memory for that: ${error.message}"))
        } catch (error: LinkageError) {
            show(failed("ExecuTorch could not be loaded: ${error.message}"))
        }
    }
}

/** An activity that draws a [ScreenModel]'s state and hands the model over when it is rotated. */
abstract class Screen<S : Any, M : ScreenModel<S>>(private val layout: Int) : Activity() {
    lateinit var model: M
        private set

    protected val bundleName: String get() = intent.getStringExtra(EXTRA_BUNDLE).orEmpty()

    protected abstract fun create(): M

    /** Called once, before the first [render]. */
    protected abstract fun prepare()

    protected abstract fun render(state: S)

    // The platform marks it as deprecated in favour of fragments, which need a library.
    @Suppress("DEPRECATION", "UNCHECKED_CAST")
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(layout)
        model = lastNonConfigurationInstance as M? ?: create()
        findViewById<View>(R.id.back)?.setOnClickListener { finish() }
        findViewById<TextView>(R.id.screen_title)?.text = title
        prepare()
    }

    override fun onStart() {
        super.onStart()
        model.attach(::render)
    }

    override fun onStop() {
        model.detach()
        super.onStop()
    }

    @Deprecated("In favour of fragments, which need a library")
    override fun onRetainNonConfigurationInstance(): Any = model

    override fun onDestroy() {
        if (!isChangingConfigurations) model.close()
        super.onDestroy()
    }

    companion object {
        const val EXTRA_BUNDLE = "dev.mobilekit.demo.BUNDLE"
    }
}
