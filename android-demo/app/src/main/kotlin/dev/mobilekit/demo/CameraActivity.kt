package dev.mobilekit.demo

import android.Manifest
import android.content.pm.PackageManager
import android.graphics.SurfaceTexture
import android.hardware.display.DisplayManager
import android.view.TextureView
import android.view.View
import android.widget.LinearLayout
import android.widget.TextView
import dev.mobilekit.Pixels

/** What the camera's screen shows. */
sealed interface CameraState {
    data object Loading : CameraState

    /** Neither asked nor allowed yet. */
    data object NeedsPermission : CameraState

    data class Denied(val words: String) : CameraState

    data object Opening : CameraState

    data class Live(val answer: Answer) : CameraState

    data class Failed(val words: String) : CameraState
}

class CameraModel(private val services: Services, name: String) : ScreenModel<CameraState>(CameraState.Loading) {
    private var classifier: Classifier? = null

    /** The last frame is still being looked at: those that come meanwhile are dropped. */
    @Volatile
    var busy = true
        private set

    @Volatile
    var loaded = false
        private set

    init {
        work {
            classifier = Classifier.open(services, name)
            loaded = true
            show(CameraState.NeedsPermission)
            busy = false
        }
    }

    fun opening() = show(CameraState.Opening)

    fun denied(words: String) = show(CameraState.Denied(words))

    fun look(pixels: Pixels) {
        busy = true
        work {
            try {
                classifier?.let { show(CameraState.Live(it.classify(pixels, COUNT))) }
            } finally {
                busy = false
            }
        }
    }

    override fun failed(words: String) = CameraState.Failed(words)

    override fun release() {
        classifier?.close()
    }

    private companion object {
        const val COUNT = 3
    }
}

/** What the camera sees, classified as fast as the model goes. */
class CameraActivity : Screen<CameraState, CameraModel>(R.layout.camera) {
    private val preview: TextureView get() = findViewById(R.id.preview)
    private var camera: Camera? = null

    /** A phone that is turned by half changes no configuration: nothing else tells. */
    private val turned = object : DisplayManager.DisplayListener {
        override fun onDisplayAdded(displayId: Int) = Unit

        override fun onDisplayRemoved(displayId: Int) = Unit

        override fun onDisplayChanged(displayId: Int) {
            camera?.fit()
        }
    }

    override fun create() = CameraModel(services, bundleName)

    override fun prepare() {
        findViewById<View>(R.id.allow).setOnClickListener { ask() }
        findViewById<View>(R.id.picture).clipToOutline = true
        preview.surfaceTextureListener = object : TextureView.SurfaceTextureListener {
            override fun onSurfaceTextureAvailable(surface: SurfaceTexture, width: Int, height: Int) = openIfAllowed()

            override fun onSurfaceTextureSizeChanged(surface: SurfaceTexture, width: Int, height: Int) {
                camera?.fit()
            }

            override fun onSurfaceTextureDestroyed(surface: SurfaceTexture): Boolean {
                shut()
                return true
            }

            override fun onSurfaceTextureUpdated(surface: SurfaceTexture) = Unit
        }
    }

    override fun onResume() {
        super.onResume()
        getSystemService(DisplayManager::class.java).registerDisplayListener(turned, null)
        openIfAllowed()
    }

    /** Another app may want the camera while this one is not in front. */
    override fun onPause() {
        getSystemService(DisplayManager::class.java).unregisterDisplayListener(turned)
        shut()
        super.onPause()
    }

    override fun render(state: CameraState) {
        // Invisible rather than gone: it is its surface that the camera waits for.
        preview.alpha = if (state is CameraState.Live || state is CameraState.Opening) 1f else 0f
        findViewById<View>(R.id.working).shown(state is CameraState.Loading || state is CameraState.Opening)
        findViewById<View>(R.id.permission).shown(state is CameraState.NeedsPermission || state is CameraState.Denied)
        findViewById<View>(R.id.failure).shown(state is CameraState.Failed)
        findViewById<View>(R.id.answer).shown(state is CameraState.Live)
        when (state) {
            is CameraState.NeedsPermission -> {
                findViewById<TextView>(R.id.permission_words).setText(R.string.camera_why)
                openIfAllowed()
            }
            is CameraState.Denied -> findViewById<TextView>(R.id.permission_words).text = state.words
            is CameraState.Failed -> findViewById<TextView>(R.id.failure_words).text = state.words
            is CameraState.Live -> {
                findViewById<LinearLayout>(R.id.guesses).showGuesses(state.answer.guesses)
                findViewById<TextView>(R.id.timing).text = getString(
                    R.string.timing_live,
                    milliseconds(state.answer.preprocessMs),
                    milliseconds(state.answer.inferenceMs),
                )
            }
            else -> Unit
        }
    }

    private fun ask() = requestPermissions(arrayOf(Manifest.permission.CAMERA), CAMERA)

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<out String>, grantResults: IntArray) {
        if (grantResults.isEmpty()) return
        if (grantResults[0] == PackageManager.PERMISSION_GRANTED) {
            openIfAllowed()
        } else {
            model.denied(getString(R.string.camera_denied))
        }
    }

    private fun openIfAllowed() {
        val allowed = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
        if (camera != null || !allowed || !model.loaded || !preview.isAvailable) return
        model.opening()
        camera = Camera(this, preview, model).also { it.open() }
    }

    private fun shut() {
        camera?.close()
        camera = null
    }

    private companion object {
        const val CAMERA = 1
    }
}
