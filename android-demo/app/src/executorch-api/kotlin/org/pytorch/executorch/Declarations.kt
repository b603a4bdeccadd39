@file:Suppress("UNUSED_PARAMETER")

package org.pytorch.executorch

import java.nio.ByteBuffer
import java.nio.FloatBuffer
import java.nio.IntBuffer
import java.nio.LongBuffer
import java.nio.ShortBuffer

/*
 * What the app uses of org.pytorch:executorch-android, declared anew so that the app compiles where the AAR cannot be
 * fetched: names, parameters and results only, nothing runs. The Maven build uses it where executorch-classes.sh could
 * not fetch the real ones; it is in no source set of Gradle, and so in no app.
 */

private fun declared(): Nothing = throw UnsatisfiedLinkError("the declarations of ExecuTorch do not run")

class Module private constructor() {
    fun loadMethod(methodName: String): Unit = declared()

    fun forward(vararg inputs: EValue): Array<EValue> = declared()

    fun destroy(): Unit = declared()

    companion object {
        const val LOAD_MODE_MMAP = 1

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = 0, numThreads: Int = 0): Module = declared()
    }
}

class EValue private constructor() {
    val isTensor: Boolean get() = declared()

    fun toTensor(): Tensor = declared()

    companion object {
        @JvmStatic
        fun from(tensor: Tensor): EValue = declared()
    }
}

enum class DType { UINT8, INT8, INT32, FLOAT, INT64, HALF, BOOL }

abstract class Tensor private constructor() {
    fun shape(): LongArray = declared()

    abstract fun dtype(): DType

    open val dataAsByteArray: ByteArray get() = declared()

    open val dataAsUnsignedByteArray: ByteArray get() = declared()

    open val dataAsShortArray: ShortArray get() = declared()

    open val dataAsIntArray: IntArray get() = declared()

    open val dataAsLongArray: LongArray get() = declared()

    open val dataAsFloatArray: FloatArray get() = declared()

    companion object {
        @JvmStatic
        fun fromBlobUnsigned(data: ByteBuffer, shape: LongArray): Tensor = declared()

        @JvmStatic
        fun fromBlob(data: ByteBuffer, shape: LongArray): Tensor = declared()

        @JvmStatic
        fun fromBlob(data: IntBuffer, shape: LongArray): Tensor = declared()

        @JvmStatic
        fun fromBlob(data: FloatBuffer, shape: LongArray): Tensor = declared()

        @JvmStatic
        fun fromBlob(data: ShortBuffer, shape: LongArray): Tensor = declared()

        @JvmStatic
        fun fromBlob(data: LongBuffer, shape: LongArray): Tensor = declared()
    }
}

class ExecuTorchRuntime private constructor() {
    companion object {
        @JvmStatic
        fun getRegisteredOps(): Array<String> = declared()

        @JvmStatic
        fun getRegisteredBackends(): Array<String> = declared()
    }
}
