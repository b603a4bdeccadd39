package dev.mobilekit.demo

import android.media.Image
import dev.mobilekit.Pixels
import dev.mobilekit.oriented
import java.nio.ByteBuffer

/** One plane of a camera's YUV_420_888 image. */
class Plane(val data: ByteBuffer, val rowStride: Int, val pixelStride: Int) {
    fun at(x: Int, y: Int): Int = data.get(y * rowStride + x * pixelStride).toInt() and 0xFF
}

/**
 * A camera's frame as upright RGB. The colours are JFIF's (BT.601, full range), which Android's cameras use and which
 * makes a frame equal to the same picture as JPEG but for its chroma, of which there is one value for 4 pixels.
 */
object CameraFrame {
    fun pixels(image: Image, degrees: Int): Pixels {
        val planes = image.planes.map { Plane(it.buffer, it.rowStride, it.pixelStride) }
        return pixels(image.width, image.height, planes[0], planes[1], planes[2], degrees)
    }

    /** [degrees]: how far the picture must be turned clockwise to stand upright; 0, 90, 180 or 270. */
    fun pixels(width: Int, height: Int, y: Plane, u: Plane, v: Plane, degrees: Int): Pixels {
        val rgb = ByteArray(width * height * 3)
        var to = 0
        for (row in 0 until height) {
            for (column in 0 until width) {
                val luma = y.at(column, row) shl SHIFT
                val blue = u.at(column / 2, row / 2) - 128
                val red = v.at(column / 2, row / 2) - 128
                rgb[to] = level(luma + RED * red)
                rgb[to + 1] = level(luma - GREEN_BLUE * blue - GREEN_RED * red)
                rgb[to + 2] = level(luma + BLUE * blue)
                to += 3
            }
        }
        return oriented(Pixels(width, height, rgb), EXIF.getValue(degrees))
    }

    private fun level(sum: Int): Byte = (sum + HALF shr SHIFT).coerceIn(0, 255).toByte()

    private const val SHIFT = 16
    private const val HALF = 1 shl SHIFT - 1
    private const val RED = 91_881 // 1.402
    private const val GREEN_BLUE = 22_554 // 0.344136
    private const val GREEN_RED = 46_802 // 0.714136
    private const val BLUE = 116_130 // 1.772
    private val EXIF = mapOf(0 to 1, 90 to 6, 180 to 3, 270 to 8)

    /** How a sensor that is mounted at [sensor] degrees is turned upright while the screen is at [screen] degrees. */
    fun turn(sensor: Int, screen: Int, front: Boolean): Int =
        (if (front) sensor + screen else sensor - screen + 360) % 360
}
