package dev.mobilekit

import java.io.ByteArrayInputStream
import java.io.IOException
import javax.imageio.ImageIO

/** The JDK's decoders: another implementation than Python's, as a phone's is. They keep alpha apart, as the contract wants. */
object AwtDecoder : ImageDecoder {
    override fun pixels(encoded: ByteArray, upright: Boolean): Pixels {
        val image = try {
            ImageIO.read(ByteArrayInputStream(encoded)) ?: throw InputException("an image of an unknown kind")
        } catch (error: IOException) {
            throw InputException("an image that cannot be decoded: ${error.message}", cause = error)
        }
        val bytes = ByteArray(image.width * image.height * 3)
        val line = IntArray(image.width)
        val grey = image.raster.numBands < 3 && image.colorModel.pixelSize <= 16
        for (y in 0 until image.height) {
            if (grey) {
                // getRGB would take linear grey for sRGB's and change it
                image.raster.getSamples(0, y, image.width, 1, 0, line)
                for (x in line.indices) line[x] = line[x] * 0x010101
            } else {
                image.getRGB(0, y, image.width, 1, line, 0, image.width)
            }
            Pixels.argbToRgb(line, line.size, bytes, y * image.width * 3)
        }
        val stored = Pixels(image.width, image.height, bytes)
        return if (upright) oriented(stored, exifOrientation(encoded)) else stored
    }
}
