package androidx.test.runner.intent

import android.app.Instrumentation
import android.content.Intent

/** See [androidx.test.platform.app.InstrumentationRegistry]. Intents are neither stubbed nor watched here. */
interface IntentMonitor

interface IntentStubber {
    fun getActivityResultForIntent(intent: Intent): Instrumentation.ActivityResult?
}

object IntentMonitorRegistry {
    @JvmStatic
    fun registerInstance(@Suppress("UNUSED_PARAMETER") monitor: IntentMonitor) = Unit
}

object IntentStubberRegistry {
    @JvmStatic
    fun isLoaded(): Boolean = false

    @JvmStatic
    fun getInstance(): IntentStubber = error("no intents are stubbed")
}
