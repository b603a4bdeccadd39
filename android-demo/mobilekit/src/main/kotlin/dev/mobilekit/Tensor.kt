package dev.mobilekit

import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** An element type, under the name that bundle.json has for it. */
enum class DType(val label: String, val bytes: Int) {
    FLOAT32("float32", 4),
    FLOAT16("float16", 2),
    INT64("int64", 8),
    INT32("int32", 4),
    INT8("int8", 1),
    UINT8("uint8", 1),
    BOOL("bool", 1);

    companion object {
        fun called(label: String): DType? = entries.firstOrNull { it.label == label }
    }
}

/**
 * A tensor: C-contiguous, little-endian, its bytes from position 0 of [data] to its limit. Refuses data whose size
 * does not fit the shape. Readers duplicate [data] (its position is theirs), and nobody writes into it.
 */
class Tensor(val name: String, val dtype: DType, val shape: List<Int>, data: ByteBuffer) {
    val data: ByteBuffer = data.duplicate().apply { goTo(0) }.order(ByteOrder.LITTLE_ENDIAN)

    init {
        val expected = elements(shape) * dtype.bytes
        require(shape.all { it >= 0 } && expected == this.data.limit().toLong()) {
            "$name: a ${dtype.label} tensor of shape $shape has $expected bytes, not ${this.data.limit()}"
        }
    }

    /** How many elements it has. */
    val count: Int get() = data.limit() / dtype.bytes

    /** A view of the data from the start, little-endian, whose position is the caller's own. */
    fun bytes(): ByteBuffer = data.duplicate().order(ByteOrder.LITTLE_ENDIAN).apply { goTo(0) }

    /** Its elements, for float32 only. */
    fun floats(): FloatArray {
        require(dtype == DType.FLOAT32) { "$name is ${dtype.label}, not float32" }
        return FloatArray(count).also { bytes().asFloatBuffer().get(it) }
    }

    /** Its elements as float64, whatever the type: float64 holds each of them but int64 beyond 2^53. */
    fun values(): DoubleArray {
        val from = bytes()
        return DoubleArray(count) {
            when (dtype) {
                DType.FLOAT32 -> from.getFloat().toDouble()
                DType.FLOAT16 -> halfToDouble(from.getShort())
                DType.INT64 -> from.getLong().toDouble()
                DType.INT32 -> from.getInt().toDouble()
                DType.INT8 -> from.get().toDouble()
                DType.UINT8, DType.BOOL -> (from.get().toInt() and 0xFF).toDouble()
            }
        }
    }

    /** The same elements under another name. */
    fun named(name: String): Tensor = Tensor(name, dtype, shape, data)

    /** The same elements in memory of its own. */
    fun copy(): Tensor = Tensor(name, dtype, shape, buffer(data.limit()).put(bytes()))

    override fun toString(): String = "$name: ${dtype.label} $shape"

    companion object {
        /** A float32 tensor of these values. */
        fun of(name: String, shape: List<Int>, values: FloatArray): Tensor {
            val data = buffer(values.size * 4)
            data.asFloatBuffer().put(values)
            return Tensor(name, DType.FLOAT32, shape, data)
        }

        /** A tensor with the same value everywhere, such as a state before the first call. */
        fun filled(name: String, dtype: DType, shape: List<Int>, value: Double): Tensor {
            val count = elements(shape).toInt()
            val data = buffer(count * dtype.bytes)
            repeat(count) {
                when (dtype) {
                    DType.FLOAT32 -> data.putFloat(value.toFloat())
                    DType.FLOAT16 -> data.putShort(doubleToHalf(value))
                    DType.INT64 -> data.putLong(value.toLong())
                    DType.INT32 -> data.putInt(value.toInt())
                    DType.INT8, DType.UINT8, DType.BOOL -> data.put(value.toInt().toByte())
                }
            }
            return Tensor(name, dtype, shape, data)
        }

        /** Direct memory, which native runtimes read without a copy. */
        internal fun buffer(bytes: Int): ByteBuffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN)

        internal fun elements(shape: List<Int>): Long = shape.fold(1L) { product, size -> product * size }
    }
}

/**
 * As a Buffer: ByteBuffer's own position() came with Java 9, and Android 8 has none. Where that is compiled against, it
 * would be called all the same, and fail there.
 */
internal fun Buffer.goTo(place: Int) {
    position(place)
}

private fun halfToDouble(half: Short): Double {
    val bits = half.toInt() and 0xFFFF
    val exponent = bits shr 10 and 0x1F
    val fraction = bits and 0x3FF
    val magnitude = when (exponent) {
        0 -> Math.scalb(fraction.toDouble(), -24)
        31 -> if (fraction == 0) Double.POSITIVE_INFINITY else Double.NaN
        else -> Math.scalb((fraction or 0x400).toDouble(), exponent - 25)
    }
    return if (bits and 0x8000 != 0) -magnitude else magnitude
}

/** Rounded to the nearest, halves to even. */
private fun doubleToHalf(value: Double): Short {
    val sign = if (1.0.withSign(value) < 0) 0x8000 else 0
    val magnitude = Math.abs(value)
    val bits = when {
        value.isNaN() -> 0x7E00
        magnitude >= 65520.0 -> 0x7C00
        else -> {
            val exponent = maxOf(Math.getExponent(magnitude), -14)
            // A fraction that rounds up to 2048 carries into the exponent by itself.
            (exponent + 14 shl 10) + Math.rint(Math.scalb(magnitude, 10 - exponent)).toInt()
        }
    }
    return (sign or bits).toShort()
}

private fun Double.withSign(of: Double): Double = Math.copySign(this, of)
