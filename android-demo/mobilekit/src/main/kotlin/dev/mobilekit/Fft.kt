package dev.mobilekit

/** The discrete Fourier transform of [size] real numbers, a power of two, in float64, without scaling. Not for two threads at once. */
internal class Fft(private val size: Int) {
    private val cosines = DoubleArray(size / 2) { StrictMath.cos(2 * Math.PI * it / size) }
    private val sines = DoubleArray(size / 2) { -StrictMath.sin(2 * Math.PI * it / size) }
    private val reversed = IntArray(size) { if (size == 1) 0 else Integer.reverse(it) ushr (Integer.numberOfLeadingZeros(size) + 1) }
    private val real = DoubleArray(size)
    private val imaginary = DoubleArray(size)

    /** re^2 + im^2 of the bins 0 to size / 2, into [power]; zeros follow [frame] up to the size. */
    fun power(frame: DoubleArray, power: DoubleArray) {
        for (index in 0 until size) {
            val from = reversed[index]
            real[index] = if (from < frame.size) frame[from] else 0.0
        }
        imaginary.fill(0.0)
        var half = 1
        while (half < size) {
            butterflies(half)
            half *= 2
        }
        for (bin in 0..size / 2) power[bin] = real[bin] * real[bin] + imaginary[bin] * imaginary[bin]
    }

    private fun butterflies(half: Int) {
        val stride = size / (2 * half)
        for (start in 0 until size step 2 * half) {
            for (index in 0 until half) {
                val cosine = cosines[index * stride]
                val sine = sines[index * stride]
                val low = start + index
                val high = low + half
                val re = real[high] * cosine - imaginary[high] * sine
                val im = real[high] * sine + imaginary[high] * cosine
                real[high] = real[low] - re
                imaginary[high] = imaginary[low] - im
                real[low] += re
                imaginary[low] += im
            }
        }
    }
}
