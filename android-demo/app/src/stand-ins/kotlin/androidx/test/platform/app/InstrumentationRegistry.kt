package androidx.test.platform.app

import android.app.Instrumentation
import android.os.Bundle

/**
 * What Robolectric calls of `androidx.test:monitor`, which lies in Google's Maven repository only. Written for these
 * tests, and no more than they need. Only pom.xml compiles this folder; Gradle has the real library.
 */
object InstrumentationRegistry {
    private var instance: Instrumentation? = null

    @JvmStatic
    fun registerInstance(instrumentation: Instrumentation?, @Suppress("UNUSED_PARAMETER") arguments: Bundle) {
        instance = instrumentation
    }

    @JvmStatic
    fun getInstrumentation(): Instrumentation = checkNotNull(instance) { "no instrumentation is registered" }
}
