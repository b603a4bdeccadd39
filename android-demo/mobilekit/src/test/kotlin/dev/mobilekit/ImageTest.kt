package dev.mobilekit

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

class ImageTest {
    @TestFactory
    fun `the repository's golden vectors come out bit for bit`(): List<DynamicTest> =
        Golden.jsonIn("preprocess").filter { it.first != "decode" }.map { (name, case) ->
            dynamicTest(name) {
                val tensor = case.obj("tensor").list("values").doubles().map { it.toFloat() }.toFloatArray()
                same(case, tensor)
            }
        }

    @TestFactory
    fun `sizes and choices drawn at random come out bit for bit`(): List<DynamicTest> {
        val file = File(Golden.bundles(), "random.json")
        assumeTrue(file.isFile, "${file.path} is not there: make it with tests/android/golden_bundles.py")
        return Json.parseToJsonElement(file.readText()).jsonArray.mapIndexed { index, element ->
            val case = element.jsonObject
            dynamicTest("$index ${case.obj("preprocess")["resize"]}") {
                val values = ByteBuffer.wrap(case.obj("tensor").base64()!!).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                same(case, FloatArray(values.remaining()).also { values.get(it) })
            }
        }
    }

    private fun same(case: JsonObject, tensor: FloatArray) {
        val preprocessor = ImagePreprocessor(Golden.preprocess(case.obj("preprocess")) as ImageSpec)
        val expected = case.obj("pixels").pixels()
        val resized = with(preprocessor) { crop(resize(colored(case.obj("image").pixels()))) }
        assertEquals(expected.toString(), resized.toString())
        assertArrayEquals(expected.bytes, resized.bytes)
        val made = preprocessor.tensor(case.obj("image").pixels())
        assertEquals(case.obj("tensor").list("shape").ints().toList(), made.shape)
        assertArrayEquals(tensor, made.floats(), 0f)
    }

    @TestFactory
    fun `stored pixels are turned as their EXIF block says`(): List<DynamicTest> {
        val files = Golden.jsonIn("preprocess").first { it.first == "decode" }.second.list("files").map { it.jsonObject }
        val turned = files.filter { it.text("name").startsWith("orientation-") }
        assertTrue(turned.size >= 8, "${turned.size} files")
        return turned.map { file ->
            dynamicTest(file.text("name")) {
                val expected = file.obj("pixels").pixels()
                val pixels = AwtDecoder.pixels(file.base64()!!, upright = true)
                assertEquals(expected.toString(), pixels.toString())
                assertArrayEquals(expected.bytes, pixels.bytes)
            }
        }
    }

    @Test
    fun `a damaged EXIF block means upright, and never an error`() {
        val file = Golden.jsonIn("preprocess").first { it.first == "decode" }.second.list("files").map { it.jsonObject }
            .first { it.text("name") == "orientation-6.png" }.base64()!!
        assertEquals(6, exifOrientation(file))
        val random = java.util.Random(1)
        repeat(3000) {
            val damaged = file.copyOf(if (it % 3 == 0) random.nextInt(file.size) else file.size)
            repeat(1 + random.nextInt(6)) { if (damaged.isNotEmpty()) damaged[random.nextInt(damaged.size)] = random.nextInt(256).toByte() }
            assertTrue(exifOrientation(damaged) in 1..8)
        }
        assertEquals(1, exifOrientation(ByteArray(0)))
    }

    @Test
    fun `what is too large is refused before it is made`() {
        val narrow = Pixels(1, 20_000, ByteArray(60_000))
        val spec = ImageSpec(resize = Resize(Size(16_000, 16_000).let { Size(8, 8000) }, ResizeMode.COVER), crop = Size(8, 8))
        val error = assertThrows(InputException::class.java) { ImagePreprocessor(spec).tensor(narrow) }
        assertTrue(error.message!!.contains("too large"), error.message)
        assertThrows(InputException::class.java) { Pixels(70_000, 1, ByteArray(210_000)) }
    }

    @Test
    fun `colours of a bitmap become three bytes each, without their alpha`() {
        val pixels = Pixels.fromArgb(2, 1, intArrayOf(0x00112233, 0xFF445566.toInt()))
        assertArrayEquals(byteArrayOf(0x11, 0x22, 0x33, 0x44, 0x55, 0x66), pixels.bytes)
    }
}
