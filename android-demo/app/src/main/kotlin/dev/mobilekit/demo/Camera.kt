package dev.mobilekit.demo

import android.annotation.SuppressLint
import android.app.Activity
import android.graphics.ImageFormat
import android.graphics.Matrix
import android.graphics.RectF
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.util.Size
import android.view.Surface
import android.view.TextureView
import android.view.WindowManager
import java.io.Closeable
import kotlin.math.abs

/**
 * The back camera (the front one where there is no other) on a preview, and its frames in YUV to the model. Frames
 * that come while the model looks at another one are dropped, so that what is shown is what is seen now.
 */
class Camera(private val activity: Activity, private val preview: TextureView, private val model: CameraModel) : Closeable {
    private val manager = activity.getSystemService(CameraManager::class.java)
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null
    private var size = Size(640, 480)
    private var sensor = 90
    private var front = false

    /** The camera was asked for and has not answered. Until it does the thread must live, or nobody would close it. */
    @Volatile
    private var opening = false

    @Volatile
    private var closed = false

    // Asked for by the activity before it comes here.
    @SuppressLint("MissingPermission")
    fun open() = try {
        val id = choose()
        if (id == null) {
            model.say(activity.getString(R.string.no_camera))
        } else {
            fit()
            opening = true
            manager.openCamera(id, opened, handler)
        }
    } catch (error: CameraAccessException) {
        failed(error)
    } catch (error: SecurityException) {
        failed(error)
    } catch (error: IllegalArgumentException) {
        failed(error)
    }

    /** On the camera's own thread, so that no frame is being looked at meanwhile. */
    override fun close() {
        closed = true
        handler.post {
            device?.close()
            reader?.close()
            if (!opening) thread.quitSafely()
        }
    }

    private fun shut(camera: CameraDevice) {
        opening = false
        camera.close()
        if (closed) thread.quitSafely()
    }

    private fun choose(): String? {
        val cameras = manager.cameraIdList.associateWith { manager.getCameraCharacteristics(it) }
        val (id, about) = cameras.entries.firstOrNull { it.value[CameraCharacteristics.LENS_FACING] == BACK }
            ?: cameras.entries.firstOrNull() ?: return null
        sensor = about[CameraCharacteristics.SENSOR_ORIENTATION] ?: 90
        front = about[CameraCharacteristics.LENS_FACING] == CameraCharacteristics.LENS_FACING_FRONT
        val sizes = about[CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP]?.getOutputSizes(ImageFormat.YUV_420_888)
        // Large enough for any classifier's input, small enough to be converted in Kotlin in a few milliseconds.
        sizes?.minByOrNull { abs(it.width.toLong() * it.height - 640L * 480) }?.let { size = it }
        return id
    }

    private val opened = object : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            if (closed) return shut(camera)
            opening = false
            device = camera
            try {
                start(camera)
            } catch (error: CameraAccessException) {
                failed(error)
            } catch (error: IllegalArgumentException) {
                failed(error) // a size that this camera does not give, or a surface that is gone
            } catch (_: IllegalStateException) {
                // Closed meanwhile.
            }
        }

        /** Another app took it. */
        override fun onDisconnected(camera: CameraDevice) {
            shut(camera)
            if (!closed) model.say(activity.getString(R.string.camera_failed, "disconnected"))
        }

        override fun onError(camera: CameraDevice, error: Int) {
            shut(camera)
            model.say(activity.getString(R.string.camera_failed, error.toString()))
        }
    }

    // The other form needs API 28.
    @Suppress("DEPRECATION")
    private fun start(camera: CameraDevice) {
        val texture = preview.surfaceTexture ?: return
        texture.setDefaultBufferSize(size.width, size.height)
        val shown = Surface(texture)
        val frames = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, 2)
        frames.setOnImageAvailableListener({ look(it) }, handler)
        reader = frames
        val request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW).apply {
            addTarget(shown)
            addTarget(frames.surface)
            set(CaptureRequest.CONTROL_AF_MODE, CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE)
        }
        camera.createCaptureSession(
            listOf(shown, frames.surface),
            object : CameraCaptureSession.StateCallback() {
                override fun onConfigured(session: CameraCaptureSession) {
                    try {
                        session.setRepeatingRequest(request.build(), null, handler)
                    } catch (error: CameraAccessException) {
                        failed(error)
                    } catch (_: IllegalStateException) {
                        // Closed meanwhile.
                    }
                }

                override fun onConfigureFailed(session: CameraCaptureSession) =
                    model.say(activity.getString(R.string.camera_failed, "configuration"))
            },
            handler,
        )
    }

    /** The image is given back before the model runs: the camera has only two of them. */
    private fun look(reader: ImageReader) {
        val image = reader.acquireLatestImage() ?: return
        if (model.busy) {
            image.close()
            return
        }
        val pixels = image.use { CameraFrame.pixels(it, CameraFrame.turn(sensor, screen(), front)) }
        model.look(pixels)
    }

    /** Fills the view with the picture, upright, cut where the shapes differ. */
    fun fit() {
        val width = preview.width.toFloat()
        val height = preview.height.toFloat()
        if (width == 0f || height == 0f) return
        val turned = screen() % 180 != 0
        val upright = if (sensor % 180 != 0) Size(size.height, size.width) else size
        val view = RectF(0f, 0f, width, height)
        val matrix = Matrix()
        // The system turns the picture for an upright phone, and stretches it to the view.
        val buffer = RectF(0f, 0f, upright.width.toFloat(), upright.height.toFloat())
        buffer.offset(view.centerX() - buffer.centerX(), view.centerY() - buffer.centerY())
        matrix.setRectToRect(view, buffer, Matrix.ScaleToFit.FILL)
        val (seenWidth, seenHeight) = if (turned) upright.height to upright.width else upright.width to upright.height
        val scale = maxOf(width / seenWidth, height / seenHeight)
        matrix.postScale(scale, scale, view.centerX(), view.centerY())
        matrix.postRotate(-screen().toFloat(), view.centerX(), view.centerY())
        preview.setTransform(matrix)
    }

    // Context.getDisplay() needs API 30.
    @Suppress("DEPRECATION")
    private fun screen(): Int = when (activity.getSystemService(WindowManager::class.java).defaultDisplay.rotation) {
        Surface.ROTATION_90 -> 90
        Surface.ROTATION_180 -> 180
        Surface.ROTATION_270 -> 270
        else -> 0
    }

    private fun failed(error: Exception) {
        opening = false
        model.say(activity.getString(R.string.camera_failed, error.message.orEmpty()))
    }

    private companion object {
        const val BACK = CameraCharacteristics.LENS_FACING_BACK
    }
}
