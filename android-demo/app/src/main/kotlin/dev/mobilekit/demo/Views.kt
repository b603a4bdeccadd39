package dev.mobilekit.demo

import android.content.Context
import android.text.TextUtils
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import java.text.NumberFormat
import kotlin.math.abs
import kotlin.math.roundToInt

/** Small things that several screens draw alike. */
fun View.shown(shown: Boolean) {
    visibility = if (shown) View.VISIBLE else View.GONE
}

/** Written only where they changed: a screen reader reads out what is written anew, and a live screen writes all the time. */
fun TextView.words(words: CharSequence) {
    if (!TextUtils.equals(text, words)) text = words
}

/** Guesses as rows of label, percentage and bar; rows are used again, so that a live screen does not flicker. */
fun ViewGroup.showGuesses(guesses: List<Guess>) {
    while (childCount > guesses.size) removeViewAt(childCount - 1)
    while (childCount < guesses.size) LayoutInflater.from(context).inflate(R.layout.guess, this)
    guesses.forEachIndexed { index, guess ->
        val row = getChildAt(index)
        val percent = percent(guess.probability)
        row.findViewById<TextView>(R.id.label).text = guess.label
        row.findViewById<TextView>(R.id.percent).text = percent
        // A model whose values overflow answers NaN.
        row.findViewById<ProgressBar>(R.id.bar).progress = if (guess.probability.isNaN()) 0 else (guess.probability * 1000).roundToInt()
        row.contentDescription = context.getString(R.string.guess, guess.label, percent)
    }
}

fun percent(share: Double): String = NumberFormat.getPercentInstance().apply { maximumFractionDigits = 1 }.format(share)

fun Context.megabytes(bytes: Long): String = getString(R.string.megabytes, bytes / 1e6)

/** Three significant digits where they say something. */
fun Context.milliseconds(value: Double): String =
    getString(if (value < 10) R.string.milliseconds_fine else R.string.milliseconds, value)

/** As short as it can be said: 0, 0.0013, 2.4e-7. */
fun distance(value: Double): String = when {
    value.isInfinite() || value.isNaN() -> "∞"
    value == 0.0 -> "0"
    abs(value) in 0.001..1000.0 -> "%.3g".format(value)
    else -> "%.1e".format(value)
}
