package dev.mobilekit.testing

import dev.mobilekit.DType
import dev.mobilekit.RunnerException
import dev.mobilekit.Tensor
import java.nio.ByteBuffer

private val DESCRIPTIONS = mapOf(
    DType.FLOAT32 to "<f4",
    DType.FLOAT16 to "<f2",
    DType.INT64 to "<i8",
    DType.INT32 to "<i4",
    DType.INT8 to "|i1",
    DType.UINT8 to "|u1",
    DType.BOOL to "|b1",
)
private const val START = 10
private val HEADER = Regex("""\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \}\s*""")

/** One of NumPy's .npy records, version 1. */
internal fun npy(tensor: Tensor): ByteArray {
    val shape = tensor.shape.joinToString(", ") + if (tensor.shape.size == 1) "," else ""
    val text = "{'descr': '${DESCRIPTIONS[tensor.dtype]}', 'fortran_order': False, 'shape': ($shape), }"
    val size = (START + text.length + 1 + 63) / 64 * 64 - START
    val header = text.padEnd(size - 1) + "\n"
    val record = ByteBuffer.allocate(START + size + tensor.data.limit())
    record.put(byteArrayOf(-0x6d)).put("NUMPY".toByteArray()).put(byteArrayOf(1, 0, size.toByte(), (size shr 8).toByte()))
    record.put(header.toByteArray()).put(tensor.bytes())
    return record.array()
}

/** [count] records, one after the other, and nothing after them. */
internal fun readNpy(bytes: ByteArray, count: Int): List<Tensor> {
    var at = 0
    val found = List(count) { index ->
        if (at + START > bytes.size || String(bytes, at + 1, 5, Charsets.ISO_8859_1) != "NUMPY") throw broken("no record $index")
        val size = (bytes[at + 8].toInt() and 0xFF) or (bytes[at + 9].toInt() and 0xFF shl 8)
        if (at + START + size > bytes.size) throw broken("a header that is cut short")
        val header = String(bytes, at + START, size, Charsets.ISO_8859_1)
        val (description, sizes) = HEADER.matchEntire(header)?.destructured ?: throw broken("the header $header")
        val dtype = DESCRIPTIONS.entries.firstOrNull { it.value == description }?.key ?: throw broken("dtype $description")
        val shape = sizes.split(',').map { it.trim() }.filter { it.isNotEmpty() }.map { it.toInt() }
        at += START + size
        val length = shape.fold(dtype.bytes) { product, one -> product * one }
        if (at + length > bytes.size) throw broken("an array that is cut short")
        Tensor("output$index", dtype, shape, ByteBuffer.wrap(bytes.copyOfRange(at, at + length))).also { at += length }
    }
    if (at != bytes.size) throw broken("more than $count arrays")
    return found
}

private fun broken(what: String) = RunnerException("the native runner's outputs hold $what")
