package dev.mobilekit

/**
 * What this library refuses, in words for people. [message] says what is wrong and where (file and field), [hint] how
 * to mend it. Nothing else is thrown for bad input, whatever is in the files.
 */
sealed class MobileKitException(message: String, val hint: String?, cause: Throwable?) : Exception(message, cause) {
    /** Message and hint in two sentences, as a screen shows them. */
    val words: String get() = if (hint == null) message!! else "$message\n$hint"
}

/** A bundle that cannot be used: missing, changed or contradictory files, or another schema version. */
class BundleException(message: String, hint: String? = null, cause: Throwable? = null) :
    MobileKitException(message, hint, cause)

/** A picture or sound that cannot be used: damaged, of an unknown kind, or too large. */
class InputException(message: String, hint: String? = null, cause: Throwable? = null) :
    MobileKitException(message, hint, cause)

/** A runtime that refused to load or run an artifact; the message holds its own words. */
class RunnerException(message: String, hint: String? = null, cause: Throwable? = null) :
    MobileKitException(message, hint, cause)
