package dev.mobilekit

import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** The object in a JSON file. Throws [BundleException] naming [file] where there is none. */
internal fun jsonObject(text: String, file: String): Fields {
    val found = try {
        Json.parseToJsonElement(text)
    } catch (error: SerializationException) {
        val said = error.message?.lineSequence()?.first().orEmpty()
        throw BundleException("$file is not JSON: $said", "copy or embed the bundle again", error)
    }
    return Field(found, file, "").fields()
}

/** The fields of an object; what nobody asks for is ignored. A field that is not as asked is a [BundleException]. */
internal class Fields(private val json: JsonObject, private val file: String, private val path: String) {
    /** A field that must be there and not null. */
    operator fun get(name: String): Field =
        orNull(name) ?: throw BundleException("$file: ${at(name)} is missing", "export the bundle again")

    /** A field, or null where it is missing or null. */
    fun orNull(name: String): Field? =
        json[name]?.takeIf { it !is JsonNull }?.let { Field(it, file, at(name)) }

    fun names(): Set<String> = json.keys

    fun wrong(what: String): Nothing = throw BundleException("$file: ${if (path.isEmpty()) "" else "$path: "}$what")

    private fun at(name: String) = if (path.isEmpty()) name else "$path.$name"
}

/** One value and where it stands. */
internal class Field(private val json: JsonElement, private val file: String, private val path: String) {
    fun fields(): Fields = Fields(json as? JsonObject ?: wrong("must be an object"), file, path)

    fun <T> list(read: (Field) -> T): List<T> =
        (json as? JsonArray ?: wrong("must be a list"))
            .mapIndexed { index, one -> read(Field(one, file, "$path[$index]")) }

    fun text(): String = (json as? JsonPrimitive)?.takeIf { it.isString }?.content ?: wrong("must be a text")

    fun <T> oneOf(choices: Map<String, T>): T {
        val said = text()
        return choices[said] ?: wrong("$said is unknown (have: ${choices.keys.joinToString(", ")})")
    }

    fun isText(): Boolean = json is JsonPrimitive && json.isString

    fun flag(): Boolean = when (literal()) {
        "true" -> true
        "false" -> false
        else -> wrong("must be true or false")
    }

    fun long(least: Long = 0, most: Long = Long.MAX_VALUE): Long {
        val value = literal()?.takeIf { WHOLE.matches(it) }?.toLongOrNull() ?: wrong("must be a whole number")
        if (value < least || value > most) wrong("must be $least to $most, is $value")
        return value
    }

    fun int(least: Int = 0, most: Int = Int.MAX_VALUE): Int = long(least.toLong(), most.toLong()).toInt()

    fun double(): Double {
        val value = literal()?.takeIf { NUMBER.matches(it) }?.toDoubleOrNull() ?: wrong("must be a number")
        if (value.isNaN() || value.isInfinite()) wrong("must be a finite number")
        return value
    }

    fun wrong(what: String): Nothing = throw BundleException("$file: ${path.ifEmpty { "it" }} $what")

    private fun literal(): String? = (json as? JsonPrimitive)?.takeIf { !it.isString && it !is JsonNull }?.content

    private companion object {
        val WHOLE = Regex("-?\\d{1,18}")
        val NUMBER = Regex("-?\\d+(\\.\\d+)?([eE][+-]?\\d+)?")
    }
}
