package dev.mobilekit.demo

import android.Manifest
import android.content.pm.PackageManager
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.os.Looper
import android.view.Surface
import android.view.TextureView
import android.view.View
import dev.mobilekit.Pixels
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.ShadowDisplay
import java.nio.ByteBuffer
import kotlin.math.abs

/** The live camera as far as there is one without a phone: permission, colours, orientation, and the model behind it. */
class CameraTest : AppTest() {
    private fun screen(): CameraActivity {
        embed(bundle("lenet"))
        val activity = open(CameraActivity::class.java, "lenet").get()
        await("the model") { activity.model.state !is CameraState.Loading }
        return activity
    }

    @Test
    fun `without the permission it asks, and takes a no`() {
        val activity = screen()
        assertTrue(activity.shows(R.id.permission))
        activity.findViewById<View>(R.id.allow).performClick()
        val request = shadowOf(activity).lastRequestedPermission
        assertEquals(listOf(Manifest.permission.CAMERA), request.requestedPermissions.toList())
        activity.onRequestPermissionsResult(request.requestCode, request.requestedPermissions, intArrayOf(PackageManager.PERMISSION_DENIED))
        assertTrue(activity.words(), activity.words().contains("system’s settings"))
    }

    @Test
    fun `a frame gets an answer, and the next one waits for it`() {
        val activity = screen()
        val model = activity.model
        model.look(Pixels(64, 48, ByteArray(64 * 48 * 3) { (it % 256).toByte() }))
        await("an answer") { model.state is CameraState.Live && !model.busy }
        assertTrue(activity.shows(R.id.answer))
    }

    /** The screen with a back camera behind it, which it has opened. */
    private fun live(): CameraActivity {
        val facing = ShadowCameraCharacteristics.newCameraCharacteristics()
        shadowOf(facing).set(CameraCharacteristics.LENS_FACING, CameraCharacteristics.LENS_FACING_BACK)
        shadowOf(facing).set(CameraCharacteristics.SENSOR_ORIENTATION, 90)
        shadowOf(app.getSystemService(CameraManager::class.java)).addCamera("0", facing)
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA)
        embed(bundle("lenet"))
        val activity = open(CameraActivity::class.java, "lenet").get()
        val preview = activity.findViewById<TextureView>(R.id.preview)
        preview.setSurfaceTexture(SurfaceTexture(0))
        await("the model") { activity.model.state is CameraState.NeedsPermission || activity.model.state is CameraState.Opening }
        preview.surfaceTextureListener!!.onSurfaceTextureAvailable(preview.surfaceTexture!!, preview.width, preview.height)
        shadowOf(Looper.getMainLooper()).idle()
        return activity
    }

    @Test
    fun `a camera that another app takes is missed in words`() {
        val activity = live()
        shadowOf(app.getSystemService(CameraManager::class.java)).triggerDisconnect()
        await("words") { activity.shows(R.id.failure) }
    }

    /** From landscape to the other landscape: the system tells no activity of it. */
    @Test
    @Config(qualifiers = "+land")
    fun `a phone that is turned by half turns the preview`() {
        val activity = live()
        val preview = activity.findViewById<TextureView>(R.id.preview)
        fun turned() = preview.getTransform(null).let { matrix -> FloatArray(9).also { matrix.getValues(it) }.toList() }
        val before = turned()
        shadowOf(ShadowDisplay.getDefaultDisplay()).setRotation(Surface.ROTATION_270)
        shadowOf(Looper.getMainLooper()).idle()
        assertNotEquals(before, turned())
    }

    /** Against JFIF's formulae in floating point, over all of YUV that cameras give; rows and pixels with gaps. */
    @Test
    fun `colours are JFIF's`() {
        val levels = listOf(0, 16, 77, 128, 200, 235, 255)
        for (y in levels) for (u in levels) for (v in levels) {
            val luma = Plane(ByteBuffer.wrap(ByteArray(2 * 5) { y.toByte() }), 5, 1)
            fun chroma(value: Int) = Plane(ByteBuffer.wrap(ByteArray(3) { value.toByte() }), 3, 2)
            val pixels = CameraFrame.pixels(2, 2, luma, chroma(u), chroma(v), 0)
            val expected = listOf(
                y + 1.402 * (v - 128),
                y - 0.344136 * (u - 128) - 0.714136 * (v - 128),
                y + 1.772 * (u - 128),
            )
            for (channel in 0..2) {
                val off = abs(pixels[1, 1, channel] - expected[channel].coerceIn(0.0, 255.0))
                assertTrue("$y $u $v channel $channel: off by $off", off <= 0.51)
            }
        }
    }

    @Test
    fun `frames are turned upright`() {
        // One bright pixel at the top left of the sensor's picture.
        val luma = Plane(ByteBuffer.wrap(byteArrayOf(-1, 0, 0, 0, 0, 0)), 3, 1)
        val grey = Plane(ByteBuffer.wrap(byteArrayOf(-128, -128)), 2, 1)
        fun bright(degrees: Int): Pair<Int, Int> {
            val pixels = CameraFrame.pixels(3, 2, luma, grey, grey, degrees)
            for (y in 0 until pixels.height) for (x in 0 until pixels.width) if (pixels[x, y, 0] > 0) return x to y
            error("it is dark")
        }
        assertEquals(0 to 0, bright(0))
        assertEquals(1 to 0, bright(90))
        assertEquals(2 to 1, bright(180))
        assertEquals(0 to 2, bright(270))
        assertEquals(listOf(90, 0, 270, 180), listOf(0, 90, 180, 270).map { CameraFrame.turn(90, it, front = false) })
        assertEquals(listOf(270, 0, 90, 180), listOf(0, 90, 180, 270).map { CameraFrame.turn(270, it, front = true) })
    }
}
