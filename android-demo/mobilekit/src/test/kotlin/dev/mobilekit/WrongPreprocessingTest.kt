package dev.mobilekit

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.io.InputStream

/** The usual mistakes of an app, each made on purpose: the golden check must notice every one of them. */
class WrongPreprocessingTest {
    private val mistakes = listOf(
        Triple("bilinear without antialias", "antialias", JsonPrimitive(false)),
        Triple("BGR", "color", JsonPrimitive("BGR")),
        Triple("a wrong mean", "mean", JsonArray(listOf(0.5, 0.5, 0.5).map { JsonPrimitive(it) })),
        Triple("a wrong divisor", "divisor", JsonPrimitive(256.0)),
        Triple("another filter", "interpolation", JsonPrimitive("bicubic")),
        Triple("another layout", "layout", JsonPrimitive("NHWC")),
    )

    @TestFactory
    fun `a wrong way to the tensor fails the golden check`(): List<DynamicTest> = mistakes.map { (what, field, value) ->
        dynamicTest(what) {
            val right = small()
            assertTrue(preprocessing(right).single().passed)
            val result = preprocessing(changed(right, field, value)).single()
            assertFalse(result.passed, "$what went through: $result")
            assertTrue(result.distance > 1000 * result.tolerance, "$result")
        }
    }

    @TestFactory
    fun `a wrong way to the tensor of a photo fails the golden check`(): List<DynamicTest> =
        listOf("resnet20", "mobilenet_v3_small").flatMap { model ->
            mistakes.take(3).map { (what, field, value) ->
                dynamicTest("$model, $what") {
                    val bundle = Golden.bundle(model)
                    val results = preprocessing(changed(bundle, field, value))
                    // What is enlarged has no antialias, and grey no order of colours.
                    assertTrue(results.count { !it.passed } >= results.size * 3 / 4, "$what went through: ${results.filter { it.passed }}")
                }
            }
        }

    @Test
    fun `a decoder that ignores EXIF fails the golden check of a photo`() {
        val bundle = Golden.bundle("lenet")
        val blind = ImageDecoder { encoded, _ -> AwtDecoder.pixels(encoded, upright = false) }
        val results = check(bundle, blind).filter { it.stage == Stage.DECODE }
        for (sample in results) assertTrue(sample.passed != turned(sample.sample), sample.toString())
    }

    @Test
    fun `another model's answer fails the golden check`() {
        val bundle = Golden.bundle("lenet")
        val artifact = bundle.artifacts.first { it.target == "xnnpack" }
        val wrong = object : ModelRunner {
            override fun run(inputs: List<Tensor>) = listOf(Tensor.of("logits", listOf(1, 10), FloatArray(10)))
            override fun close() = Unit
        }
        val results = GoldenCheck.run(bundle, artifact, wrong)
        assertTrue(results.filter { it.stage == Stage.OUTPUTS }.none { it.passed })
        val refusing = object : ModelRunner {
            override fun run(inputs: List<Tensor>) = throw RunnerException("it will not")
            override fun close() = Unit
        }
        val refused = GoldenCheck.run(bundle, artifact, refusing).filter { it.stage == Stage.OUTPUTS }
        assertTrue(refused.isNotEmpty() && refused.none { it.passed } && refused.all { it.detail == "it will not" })
    }

    /** `exif-2-…` to `exif-8-…`, and the large one: what looks otherwise where EXIF is not followed. */
    private fun turned(sample: String) = sample.startsWith("large") || sample.startsWith("exif-") && !sample.startsWith("exif-1-")

    /** A bundle with one golden sample, whose pixels and tensor are Pillow's: tests/golden/preprocess/stretch-bilinear.json. */
    private fun small(): Bundle {
        val case = Golden.jsonIn("preprocess").first { it.first == "stretch-bilinear" }.second
        val pixels = case.obj("image").pixels()
        val tensor = Tensor.of("image", case.obj("tensor").list("shape").ints().toList(), case.obj("tensor").list("values").doubles().map { it.toFloat() }.toFloatArray())
        val files = mapOf("pixels.bin" to pixels.bytes, "tensor.bin" to ByteArray(tensor.data.limit()).also { tensor.bytes().get(it) })
        val bundle = Bundle.open(FolderFiles(Golden.folder("bundle")), check = false)
        return edited(bundle, files) { manifest ->
            val sample = manifest.list("golden")[0].jsonObject
            val entries = mapOf(
                "encoded" to JsonNull,
                "pixels" to listed("pixels.bin", files, "pixels", "uint8", listOf(pixels.height, pixels.width, 3)),
                "inputs" to JsonArray(listOf(listed("tensor.bin", files, "image", "float32", tensor.shape))),
            )
            manifest + ("preprocess" to case.obj("preprocess")) + ("golden" to JsonArray(listOf(JsonObject(sample + entries))))
        }
    }

    private fun listed(file: String, files: Map<String, ByteArray>, name: String, dtype: String, shape: List<Int>): JsonObject {
        val (bytes, sha256) = hashed(files.getValue(file).inputStream())
        return buildJsonObject {
            put("file", file)
            put("bytes", bytes)
            put("sha256", sha256)
            put("name", name)
            put("dtype", dtype)
            put("shape", JsonArray(shape.map { JsonPrimitive(it) }))
        }
    }

    /** The same bundle whose preprocessing says something else in one field. */
    private fun changed(bundle: Bundle, field: String, value: JsonElement): Bundle = edited(bundle, emptyMap()) { manifest ->
        val preprocess = manifest.obj("preprocess")
        val resize = preprocess.obj("resize")
        val wrong = if (field in resize) preprocess + ("resize" to JsonObject(resize + (field to value))) else preprocess + (field to value)
        assertTrue(wrong != preprocess, "$field is $value already")
        manifest + ("preprocess" to JsonObject(wrong))
    }

    private fun edited(bundle: Bundle, more: Map<String, ByteArray>, edit: (JsonObject) -> Map<String, JsonElement>): Bundle {
        val before = bundle.files
        val text = before.open(Manifest.FILE).reader().readText()
        val files = more + (Manifest.FILE to JsonObject(edit(Json.parseToJsonElement(text).jsonObject)).toString().toByteArray())
        val overlay = object : BundleFiles by before {
            override fun open(path: String): InputStream = files[path]?.inputStream() ?: before.open(path)
        }
        return Bundle.open(overlay, check = false)
    }

    private fun preprocessing(bundle: Bundle) = check(bundle, null).filter { it.stage == Stage.PREPROCESS }

    /** No model is needed to compare tensors: what is asked of it is refused, which is a failed stage of its own. */
    private fun check(bundle: Bundle, decode: ImageDecoder?): List<StageResult> {
        val none = object : ModelRunner {
            override fun run(inputs: List<Tensor>) = throw RunnerException("no model here")
            override fun close() = Unit
        }
        return GoldenCheck.run(bundle, bundle.artifacts.first { it.target == "xnnpack" }, none, decode)
    }
}
