package dev.mobilekit

import kotlin.math.exp

/** Names of the classes: line i names class i. */
class Labels(val names: List<String>) {
    /** The name of a class, or its number where it has none. */
    operator fun get(index: Int): String = names.getOrElse(index) { index.toString() }

    companion object {
        /** Lines end in LF; the last one may or may not. */
        fun parse(text: String): Labels = Labels(if (text.isEmpty()) emptyList() else text.removeSuffix("\n").split('\n'))
    }
}

/** One class of an answer. */
data class Scored(val index: Int, val probability: Double)

/** exp(x) over its sum, in float64, the highest value subtracted first so that none overflows. */
fun softmax(values: DoubleArray): DoubleArray {
    if (values.isEmpty()) return values
    val highest = values.max()
    val powers = DoubleArray(values.size) { exp(values[it] - highest) }
    val sum = powers.sum()
    return DoubleArray(values.size) { powers[it] / sum }
}

/** The [count] highest, from the highest down; of equal ones the lower index first. NaN comes last. */
fun topK(probabilities: DoubleArray, count: Int): List<Scored> =
    probabilities.indices
        .sortedWith(compareByDescending<Int> { probabilities[it].let { p -> if (p.isNaN()) Double.NEGATIVE_INFINITY else p } }.thenBy { it })
        .take(maxOf(0, count))
        .map { Scored(it, probabilities[it]) }

/** The classes of a classifier's first output, a row of logits, the most probable first. */
fun classify(logits: Tensor, count: Int = 5): List<Scored> = topK(softmax(logits.values()), count)
