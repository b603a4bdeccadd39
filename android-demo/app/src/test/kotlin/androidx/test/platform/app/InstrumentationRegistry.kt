package androidx.test.platform.app

import android.app.Instrumentation
import android.os.Bundle

/**
 * What Robolectric calls of `androidx.test:monitor`, which lies in Google's Maven repository only. Written for these
 * tests, and no more than they need; with the real library on the class path, delete `src/test/kotlin/androidx`.
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
