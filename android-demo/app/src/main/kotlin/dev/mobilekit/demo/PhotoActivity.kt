package dev.mobilekit.demo

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView

/** The picture that is looked at, and what the model says. */
sealed interface PhotoState {
    data object Loading : PhotoState

    data object Empty : PhotoState

    data object Working : PhotoState

    data class Done(val picture: Bitmap, val size: String, val answer: Answer) : PhotoState

    data class Failed(val words: String) : PhotoState
}

class PhotoModel(private val services: Services, private val name: String) :
    ScreenModel<PhotoState>(PhotoState.Loading) {
    private var loaded: Classifier? = null

    /** A picture came already: after the camera app the system may have to start this one anew. */
    @Volatile
    private var given = false

    init {
        work {
            classifier()
            if (!given) show(PhotoState.Empty)
        }
    }

    private fun classifier() = loaded ?: Classifier.open(services, name).also { loaded = it }

    /** [read] runs on the worker's thread. */
    fun classify(read: () -> ByteArray) {
        given = true
        show(PhotoState.Working)
        work {
            val classifier = classifier()
            val pixels = Photo.decode(read(), classifier.spec.exifOrientation)
            val answer = classifier.classify(pixels)
            show(PhotoState.Done(Photo.preview(pixels, PREVIEW), "${pixels.width} × ${pixels.height}", answer))
        }
    }

    override fun failed(words: String) = PhotoState.Failed(words)

    override fun release() {
        loaded?.close()
    }

    private companion object {
        const val PREVIEW = 1024
    }
}

/** Pick a picture or take one, and see what the model calls it. */
class PhotoActivity : Screen<PhotoState, PhotoModel>(R.layout.photo) {
    override fun create() = PhotoModel(services, bundleName)

    override fun prepare() {
        findViewById<View>(R.id.pick).setOnClickListener { pick() }
        findViewById<View>(R.id.take).apply {
            shown(packageManager.hasSystemFeature(PackageManager.FEATURE_CAMERA_ANY))
            setOnClickListener { takeIfAllowed() }
        }
    }

    override fun render(state: PhotoState) {
        val usable = state !is PhotoState.Loading && state !is PhotoState.Working
        findViewById<View>(R.id.pick).isEnabled = usable
        findViewById<View>(R.id.take).isEnabled = usable
        findViewById<View>(R.id.working).shown(!usable)
        findViewById<TextView>(R.id.hint).shown(state is PhotoState.Empty)
        findViewById<View>(R.id.failure).shown(state is PhotoState.Failed)
        findViewById<View>(R.id.answer).shown(state is PhotoState.Done)
        val picture = findViewById<ImageView>(R.id.picture)
        picture.shown(state is PhotoState.Done)
        when (state) {
            is PhotoState.Done -> {
                picture.setImageBitmap(state.picture)
                picture.contentDescription = getString(R.string.picture_of, state.answer.guesses.firstOrNull()?.label.orEmpty())
                picture.clipToOutline = true
                findViewById<LinearLayout>(R.id.guesses).showGuesses(state.answer.guesses)
                findViewById<TextView>(R.id.timing).text = getString(
                    R.string.timing,
                    state.size,
                    milliseconds(state.answer.preprocessMs),
                    milliseconds(state.answer.inferenceMs),
                )
            }
            is PhotoState.Failed -> findViewById<TextView>(R.id.failure_words).text = state.words
            else -> picture.setImageDrawable(null)
        }
    }

    private fun pick() {
        val photoPicker = Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU
        val intent = if (photoPicker) {
            Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*")
        } else {
            Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
        }
        start(intent, PICK)
    }

    /** An app that declares the camera's permission must have it even to ask another app for a picture. */
    private fun takeIfAllowed() {
        if (checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED) {
            take()
        } else {
            requestPermissions(arrayOf(Manifest.permission.CAMERA), TAKE)
        }
    }

    private fun take() {
        // A camera app that writes nothing is not to be taken for one that took the last picture again.
        SharedFiles.place(this, SharedFiles.PHOTO).delete()
        val intent = Intent(MediaStore.ACTION_IMAGE_CAPTURE)
            .putExtra(MediaStore.EXTRA_OUTPUT, SharedFiles.uri(this, SharedFiles.PHOTO))
            .addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION or Intent.FLAG_GRANT_READ_URI_PERMISSION)
        start(intent, TAKE)
    }

    private fun start(intent: Intent, request: Int) = try {
        startActivityForResult(intent, request)
    } catch (_: ActivityNotFoundException) {
        model.say(getString(R.string.no_app_for_it))
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<out String>, grantResults: IntArray) {
        // Both are empty where the dialog was interrupted; that is no answer.
        if (grantResults.isEmpty()) return
        if (grantResults[0] == PackageManager.PERMISSION_GRANTED) take() else model.say(getString(R.string.camera_denied))
    }

    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        super.onActivityResult(requestCode, resultCode, data)
        if (resultCode != Activity.RESULT_OK) return
        val picked: Uri = when (requestCode) {
            TAKE -> SharedFiles.uri(this, SharedFiles.PHOTO)
            else -> data?.data ?: return
        }
        val resolver = applicationContext.contentResolver
        model.classify { Photo.read(resolver, picked) }
    }

    private companion object {
        const val PICK = 1
        const val TAKE = 2
    }
}
