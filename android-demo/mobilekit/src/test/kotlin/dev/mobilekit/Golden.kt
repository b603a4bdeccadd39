package dev.mobilekit

import dev.mobilekit.testing.NativeRuntime
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.double
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assumptions.assumeTrue
import java.io.File
import java.util.Base64

/** What the tests are held against: the repository's golden vectors, and bundles that Python made for them. */
object Golden {
    private const val MAKE = "make them with: python tests/android/golden_bundles.py DIR, then -Dmobilekit.bundles=DIR"

    /** A folder of the repository's tests/golden. Skips where the library was taken alone. */
    fun folder(name: String): File {
        val found = File(System.getProperty("basedir") ?: ".", "../../tests/golden/$name")
        assumeTrue(found.isDirectory, "no ${found.path}: these vectors lie in mobilekit's repository")
        return found
    }

    fun jsonIn(name: String): List<Pair<String, JsonObject>> =
        folder(name).listFiles().orEmpty().filter { it.extension == "json" }.sorted()
            .map { it.nameWithoutExtension to Json.parseToJsonElement(it.readText()).jsonObject }

    /** The folder that golden_bundles.py filled. Skips, and says how to make it, where it was not given. */
    fun bundles(): File {
        val given = System.getProperty("mobilekit.bundles").orEmpty()
        assumeTrue(given.isNotEmpty(), "no golden bundles: $MAKE")
        val folder = File(given)
        check(folder.isDirectory) { "$given is no folder: $MAKE" }
        return folder
    }

    fun bundle(name: String): Bundle {
        val folder = File(bundles(), name)
        assumeTrue(folder.isDirectory, "no golden bundle $name: $MAKE")
        return Bundle.open(FolderFiles(folder))
    }

    fun runtime(): NativeRuntime {
        val found = NativeRuntime.beside(bundles())
        assumeTrue(found != null, "the native runner is not there: $MAKE")
        return found!!
    }

    /** The part of a bundle's manifest called `preprocess`, read as the library reads it. */
    fun preprocess(json: JsonObject): Preprocess = readPreprocess(jsonObject(json.toString(), "golden"))
}

fun JsonObject.obj(name: String): JsonObject = getValue(name).jsonObject

fun JsonObject.list(name: String): JsonArray = getValue(name).jsonArray

fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content

fun JsonArray.ints(): IntArray = IntArray(size) { get(it).jsonPrimitive.int }

fun JsonArray.doubles(): DoubleArray = DoubleArray(size) { get(it).jsonPrimitive.double }

/** `{"shape": [h, w, c], "values": [...]}` or with `base64`. */
fun JsonObject.pixels(): Pixels {
    val shape = list("shape").ints()
    return Pixels(shape[1], shape[0], base64() ?: list("values").ints().map { it.toByte() }.toByteArray(), shape[2])
}

fun JsonObject.base64(): ByteArray? = get("base64")?.let { Base64.getDecoder().decode(it.jsonPrimitive.content) }
