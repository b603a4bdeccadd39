package dev.mobilekit.demo

import android.content.ContentResolver
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Color
import android.media.ExifInterface
import android.net.Uri
import dev.mobilekit.InputException
import dev.mobilekit.Pixels
import dev.mobilekit.exifOrientation
import dev.mobilekit.oriented
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.nio.ByteBuffer

/**
 * Steps 1 and 2 of docs/preprocessing.md on a phone: encoded bytes -> upright RGB. Full size, colours as they are
 * stored (no colour profile is applied, alpha is dropped and not blended). Refuses what the platform cannot decode.
 */
object Photo {
    private const val LARGEST_FILE = 256 shl 20
    private val cannotRead = "pick a JPEG, PNG or WebP picture of 8 bits a channel"

    fun read(resolver: ContentResolver, uri: Uri): ByteArray = try {
        resolver.openInputStream(uri)?.use { from ->
            val found = ByteArrayOutputStream(maxOf(from.available(), 1 shl 16))
            val buffer = ByteArray(1 shl 16)
            while (true) {
                val count = from.read(buffer)
                if (count < 0) break
                found.write(buffer, 0, count)
                if (found.size() > LARGEST_FILE) throw InputException("the picture is larger than 256 MiB", cannotRead)
            }
            found.toByteArray()
        } ?: throw InputException("the picture cannot be opened", cannotRead)
    } catch (error: IOException) {
        throw InputException("the picture cannot be read: ${error.message}", cannotRead, error)
    } catch (error: SecurityException) {
        throw InputException("the picture may not be read any more", "pick it again", error)
    } catch (error: RuntimeException) {
        // Another app's provider throws here whatever it likes.
        throw InputException("the picture cannot be read: ${error.message}", cannotRead, error)
    }

    fun decode(encoded: ByteArray, exifOrientation: Boolean = true): Pixels {
        val stored = pixels(bitmap(encoded))
        return if (exifOrientation) oriented(stored, orientation(encoded)) else stored
    }

    private fun bitmap(encoded: ByteArray): Bitmap {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeByteArray(encoded, 0, encoded.size, bounds)
        if (bounds.outWidth < 1) throw InputException("the picture cannot be decoded", cannotRead)
        if (bounds.outWidth.toLong() * bounds.outHeight > Pixels.MOST_PIXELS) {
            throw InputException("a picture of ${bounds.outWidth}x${bounds.outHeight} pixels is too large")
        }
        val options = BitmapFactory.Options().apply {
            inScaled = false
            // Colours below alpha 255 stay as they are stored; multiplied, they would be darker and could not be undone.
            inPremultiplied = false
            inPreferredConfig = Bitmap.Config.ARGB_8888
        }
        val bitmap = BitmapFactory.decodeByteArray(encoded, 0, encoded.size, options)
            ?: throw InputException("the picture cannot be decoded", cannotRead)
        // What has more bits is decoded to them all the same, and the high bytes of the stored values are lost.
        if (bitmap.config != Bitmap.Config.ARGB_8888) {
            throw InputException("a picture of more than 8 bits a channel (${bitmap.config}) is not taken", cannotRead)
        }
        return bitmap
    }

    /** ARGB_8888 is red, green, blue, alpha in the memory of a phone, and the other way round in some hosts' builds. */
    private val redFirst: Boolean by lazy {
        val probe = Bitmap.createBitmap(1, 1, Bitmap.Config.ARGB_8888)
        probe.eraseColor(Color.RED)
        val bytes = ByteBuffer.allocate(4)
        probe.copyPixelsToBuffer(bytes)
        bytes[0].toInt() == -1
    }

    /** Not by getPixels(): that converts from the picture's colour space, which the contract does not. */
    internal fun pixels(bitmap: Bitmap): Pixels {
        val width = bitmap.width
        val height = bitmap.height
        val rgba = ByteBuffer.allocateDirect(bitmap.byteCount)
        bitmap.copyPixelsToBuffer(rgba)
        bitmap.recycle()
        val row = ByteArray(width * 4)
        val red = if (redFirst) 0 else 2
        val blue = 2 - red
        val rgb = ByteArray(width * height * 3)
        var to = 0
        rgba.rewind()
        repeat(height) {
            rgba.get(row)
            var from = 0
            repeat(width) {
                rgb[to] = row[from + red]
                rgb[to + 1] = row[from + 1]
                rgb[to + 2] = row[from + blue]
                to += 3
                from += 4
            }
        }
        return Pixels(width, height, rgb)
    }

    /** Android's own reader for HEIC only: of PNG and WebP it reads none before Android 11. */
    private fun orientation(encoded: ByteArray): Int {
        if (!isHeic(encoded)) return exifOrientation(encoded)
        return try {
            ExifInterface(ByteArrayInputStream(encoded)).getAttributeInt(ExifInterface.TAG_ORIENTATION, 1)
        } catch (_: IOException) {
            1
        }
    }

    private fun isHeic(encoded: ByteArray) =
        encoded.size > 8 && String(encoded, 4, 4, Charsets.ISO_8859_1) == "ftyp"

    /** A picture for the screen, no larger than [side] on either side: every n-th pixel, for looking at only. */
    fun preview(pixels: Pixels, side: Int): Bitmap {
        val step = maxOf(1, (maxOf(pixels.width, pixels.height) + side - 1) / side)
        val width = maxOf(1, pixels.width / step)
        val height = maxOf(1, pixels.height / step)
        val colors = IntArray(width * height) { at ->
            val x = at % width * step
            val y = at / width * step
            val from = (y * pixels.width + x) * 3
            fun value(offset: Int) = pixels.bytes[from + offset].toInt() and 0xFF
            (0xFF shl 24) or (value(0) shl 16) or (value(1) shl 8) or value(2)
        }
        return Bitmap.createBitmap(colors, width, height, Bitmap.Config.ARGB_8888)
    }
}
