package dev.mobilekit

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.nio.file.Files
import java.util.Random

class BundleTest {
    @TempDir
    lateinit var folder: File

    private val manifest get() = File(folder, "bundle.json")

    @BeforeEach
    fun copy() {
        Golden.folder("bundle").copyRecursively(folder, overwrite = true)
    }

    private fun open() = Bundle.open(FolderFiles(folder))

    private fun refusal(vararg words: String) {
        val error = assertThrows(BundleException::class.java) { open() }
        for (word in words) assertTrue(word in error.words, "'$word' is not in: ${error.words}")
    }

    @Test
    fun `a bundle is read as it was written`() {
        val bundle = open()
        assertEquals("tiny", bundle.manifest.model.name)
        assertEquals(Task.IMAGE_CLASSIFICATION, bundle.manifest.model.task)
        assertEquals(ImageSpec(resize = Resize(Size(4, 4))), bundle.manifest.preprocess)
        assertEquals(Dim.Dynamic("batch", 1, 8), bundle.manifest.inputs[0].shape[0])
        assertEquals(listOf(1, 3, 4, 4), bundle.manifest.inputs[0].smallest)
        assertEquals(3, bundle.labels!!.names.size)
        assertTrue(bundle.artifacts.none { it.target == "eager" })
        assertTrue(bundle.artifacts.any { it.file.endsWith(".mlpackage") }, "the folder counts as an artifact")
        val sample = bundle.manifest.golden[0]
        assertArrayEquals(bundle.read(sample.pixels!!), bundle.pixels(sample.pixels).bytes)
        assertEquals(listOf(1, 3, 4, 4), bundle.tensor(sample.inputs[0]).shape)
        assertEquals(hashed(manifest.inputStream()).second, bundle.sha256)
    }

    @Test
    fun `an app's bundle need not hold what stays on the desk`() {
        for (file in folder.listFiles()!!) if (file.name.startsWith("report") || ".eager." in file.name || ".coreml." in file.name) file.deleteRecursively()
        File(folder, "golden").deleteRecursively()
        assertTrue(open().artifacts.all { it.target in setOf("xnnpack", "onnx") })
        for (file in folder.listFiles()!!) if (file.name.startsWith("tiny.")) file.deleteRecursively()
        refusal("holds no model", "tiny.xnnpack.fp32.pte")
    }

    @Test
    fun `a changed byte is found, in a file and in a folder`() {
        val file = File(folder, "tiny.xnnpack.int8.pte")
        val bytes = file.readBytes()
        file.writeBytes(bytes.clone().also { it[7] = (it[7] + 1).toByte() })
        refusal("tiny.xnnpack.int8.pte", "SHA-256", "again")
        assertEquals(bytes.size.toLong(), file.length())
        Bundle.open(FolderFiles(folder), check = false)
        file.writeBytes(bytes + 1)
        refusal("tiny.xnnpack.int8.pte", "${bytes.size + 1} bytes")
        file.writeBytes(bytes)
        File(folder, "tiny.coreml.fp16.mlpackage/note").writeText("new")
        refusal("tiny.coreml.fp16.mlpackage")
    }

    @Test
    fun `a missing label file or a link is refused`() {
        val labels = File(folder, "labels.txt")
        val text = labels.readText()
        labels.delete()
        refusal("labels.txt", "missing")
        val outside = File(folder, "elsewhere").also { it.writeText(text) }
        Files.createSymbolicLink(labels.toPath(), outside.toPath())
        refusal("link")
    }

    @Test
    fun `a folder without a manifest is no bundle`() {
        manifest.delete()
        refusal("no bundle", "bundle.json")
        manifest.writeText("{")
        refusal("bundle.json is not JSON")
        manifest.writeText("[".repeat(100_000))
        refusal("bundle.json is not JSON")
        manifest.writeText("{\"a\": ".repeat(100_000) + "1" + "}".repeat(100_000))
        refusal("bundle.json is not JSON")
    }

    @Test
    fun `unknown fields are ignored, another schema version is not`() {
        val text = manifest.readText()
        manifest.writeText(text.replaceFirst("{", "{\"to come\": [1, {}],"))
        assertEquals("tiny", open().manifest.model.name)
        manifest.writeText(text.replace("\"schema_version\": 1", "\"schema_version\": 2"))
        refusal("schema_version is 2", "update the app")
    }

    @Test
    fun `a wrong field is named`() {
        val text = manifest.readText()
        fun changed(from: String, to: String, vararg words: String) {
            assertTrue(from in text, from)
            manifest.writeText(text.replaceFirst(from, to))
            refusal("bundle.json", *words)
        }
        changed("\"parameters\": 147", "\"parameters\": \"many\"", "model.parameters", "whole number")
        changed("\"file\": \"tiny.eager.fp32.pt2\"", "\"file\": \"../tiny.pt2\"", "artifacts[0].file", "no path")
        changed("\"divisor\": 255.0", "\"divisor\": 1e999", "preprocess.divisor", "finite")
        changed("\"interpolation\": \"bilinear\"", "\"interpolation\": \"cubic\"", "preprocess.resize.interpolation", "bicubic")
        changed("\"divisor\": 255.0", "\"divisor\": 1.2e-38", "preprocess", "beyond float32")
        changed("\"golden\": [", "\"golds\": [", "golden is missing")
        changed("\"minimum_runtime\"", "\"minimum\"", "artifacts[0].minimum_runtime is missing")
    }

    @Test
    fun `inputs that contradict each other are refused`() {
        val tree = Json.parseToJsonElement(manifest.readText()) as JsonObject
        fun emptied(list: String, field: String, vararg words: String) {
            val all = tree.getValue(list) as JsonArray
            val changed = JsonArray(all.map { JsonObject(it as JsonObject + (field to JsonArray(emptyList()))) })
            manifest.writeText(JsonObject(tree + (list to changed)).toString())
            refusal("bundle.json", *words)
        }
        emptied("artifacts", "inputs", "tiny.eager.fp32.pt2", "0 inputs")
        emptied("artifacts", "outputs", "tiny.eager.fp32.pt2", "no output")
        emptied("golden", "inputs", "0 inputs")
    }

    @Test
    fun `whatever is done to bundle_json, it is a BundleException or a bundle`() {
        val text = manifest.readText()
        val tree = Json.parseToJsonElement(text)
        val random = Random(5)
        var refused = 0
        val rounds = 1500
        for (round in 0 until rounds) {
            val damaged = if (round % 2 == 0) mutated(tree, random).toString() else broken(text, random)
            manifest.writeText(damaged)
            try {
                val bundle = Bundle.open(FolderFiles(folder), check = round % 10 == 0)
                for (sample in bundle.manifest.golden) for (input in sample.inputs) bundle.tensor(input)
            } catch (_: BundleException) {
                refused++
            }
        }
        assertTrue(refused > rounds / 4, "$refused of $rounds refused")
    }

    private fun broken(text: String, random: Random): String {
        val characters = StringBuilder(text)
        repeat(1 + random.nextInt(3)) {
            val at = random.nextInt(characters.length)
            when (random.nextInt(3)) {
                0 -> characters.setCharAt(at, "{}[],:\"0eE-.\u0000é\uD800"[random.nextInt(15)])
                1 -> characters.deleteCharAt(at)
                else -> characters.setLength(at.coerceAtLeast(1))
            }
        }
        return characters.toString()
    }

    /** One value somewhere in the tree becomes another. */
    private fun mutated(tree: JsonElement, random: Random): JsonElement {
        val goOn = random.nextInt(6) > 0
        return when {
            tree is JsonObject && tree.isNotEmpty() && goOn -> {
                val key = tree.keys.elementAt(random.nextInt(tree.size))
                JsonObject(if (random.nextInt(12) == 0) tree - key else tree + (key to mutated(tree.getValue(key), random)))
            }
            tree is JsonArray && tree.isNotEmpty() && goOn -> {
                val at = random.nextInt(tree.size)
                JsonArray(tree.mapIndexed { index, one -> if (index == at) mutated(one, random) else one })
            }
            else -> VALUES[random.nextInt(VALUES.size)]
        }
    }

    private companion object {
        val VALUES = listOf(
            JsonNull, JsonPrimitive(0), JsonPrimitive(-1), JsonPrimitive(3), JsonPrimitive(Long.MAX_VALUE), JsonPrimitive(1e300),
            JsonPrimitive(0.5), JsonPrimitive(""), JsonPrimitive("float32"), JsonPrimitive("a/../b"), JsonPrimitive(true),
            JsonArray(emptyList()), JsonArray(List(3) { JsonPrimitive(2_000_000) }), JsonObject(emptyMap()),
        )
    }
}
