package dev.mobilekit.demo

import dev.mobilekit.Artifact
import dev.mobilekit.DType
import dev.mobilekit.ModelRunner
import dev.mobilekit.RunnerException
import dev.mobilekit.Runtime
import dev.mobilekit.Tensor
import org.pytorch.executorch.EValue
import org.pytorch.executorch.ExecuTorchRuntime
import org.pytorch.executorch.Module
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.pytorch.executorch.DType as TheirType
import org.pytorch.executorch.Tensor as TheirTensor

/**
 * The AAR behind the library's interface: the only file that knows ExecuTorch's classes. Its constructor loads the
 * native library, and throws a [LinkageError] where the phone has no fitting one. Calls only what releases before and
 * after the AAR's rewrite in Kotlin have alike.
 */
class ExecuTorch(override val version: String) : Runtime {
    override val name = "executorch"
    override val backends: Set<String> = ExecuTorchRuntime.getRegisteredBackends().toSet()
    override val operators: Set<String> = ExecuTorchRuntime.getRegisteredOps().toSet()

    override fun load(artifact: Artifact, file: File, threads: Int): ModelRunner = words(artifact.file) {
        val module = Module.load(file.path, Module.LOAD_MODE_MMAP, threads)
        // Else the first inference would pay for what loading is.
        module.loadMethod("forward")
        Loaded(artifact, module)
    }
}

private class Loaded(private val artifact: Artifact, private val module: Module) : ModelRunner {
    override fun run(inputs: List<Tensor>): List<Tensor> = words(artifact.file) {
        val values = module.forward(*inputs.map { EValue.from(theirs(it)) }.toTypedArray())
        if (values.size != artifact.outputs.size) {
            throw RunnerException("${artifact.file} gave ${values.size} outputs, ${artifact.outputs.size} were listed")
        }
        values.zip(artifact.outputs) { value, spec -> ours(spec.name, value) }
    }

    override fun close() = module.destroy()
}

/** Their exceptions have no class of their own in every version; whatever they are, a screen shows their words. */
private inline fun <T> words(file: String, work: () -> T): T = try {
    work()
} catch (error: RunnerException) {
    throw error
} catch (error: RuntimeException) {
    throw RunnerException("ExecuTorch refused $file: ${error.message}", cause = error)
}

private fun theirs(tensor: Tensor): TheirTensor {
    val shape = tensor.shape.map { it.toLong() }.toLongArray()
    val direct = direct(tensor)
    return when (tensor.dtype) {
        DType.FLOAT32 -> TheirTensor.fromBlob(direct.asFloatBuffer(), shape)
        DType.FLOAT16 -> TheirTensor.fromBlob(direct.asShortBuffer(), shape)
        DType.INT64 -> TheirTensor.fromBlob(direct.asLongBuffer(), shape)
        DType.INT32 -> TheirTensor.fromBlob(direct.asIntBuffer(), shape)
        DType.INT8 -> TheirTensor.fromBlob(direct, shape)
        DType.UINT8 -> TheirTensor.fromBlobUnsigned(direct, shape)
        DType.BOOL -> throw RunnerException("ExecuTorch's AAR takes no bool tensors (${tensor.name})")
    }
}

private fun direct(tensor: Tensor): ByteBuffer {
    val bytes = tensor.bytes()
    if (bytes.isDirect && bytes.capacity() == bytes.limit()) return bytes
    return memory(bytes.limit()).put(bytes).apply { rewind() }
}

/** In memory of its own: theirs belongs to the module, and the next call writes into it. */
private fun ours(name: String, value: EValue): Tensor {
    if (!value.isTensor) throw RunnerException("$name is no tensor")
    val tensor = value.toTensor()
    val shape = tensor.shape().map { it.toInt() }
    val count = shape.fold(1) { product, size -> product * size }
    fun of(dtype: DType, copy: (ByteBuffer) -> Unit): Tensor {
        val data = memory(count * dtype.bytes)
        copy(data)
        return Tensor(name, dtype, shape, data)
    }
    return when (val dtype = tensor.dtype()) {
        TheirType.FLOAT -> of(DType.FLOAT32) { it.asFloatBuffer().put(tensor.dataAsFloatArray) }
        TheirType.HALF -> of(DType.FLOAT16) { it.asShortBuffer().put(tensor.dataAsShortArray) }
        TheirType.INT64 -> of(DType.INT64) { it.asLongBuffer().put(tensor.dataAsLongArray) }
        TheirType.INT32 -> of(DType.INT32) { it.asIntBuffer().put(tensor.dataAsIntArray) }
        TheirType.INT8 -> of(DType.INT8) { it.put(tensor.dataAsByteArray) }
        TheirType.UINT8 -> of(DType.UINT8) { it.put(tensor.dataAsUnsignedByteArray) }
        else -> throw RunnerException("$name is $dtype, which the AAR does not give out")
    }
}

private fun memory(bytes: Int): ByteBuffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())
