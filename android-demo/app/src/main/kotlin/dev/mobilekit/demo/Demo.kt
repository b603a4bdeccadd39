package dev.mobilekit.demo

import android.app.Application
import android.content.Context
import dev.mobilekit.Runtime
import java.io.File

/** What the screens are made from. A test puts other bundles and another runtime here. */
class Services(
    val bundles: BundleSource,
    val models: ModelFiles,
    /** Loads the native library at its first call, on a worker's thread. */
    runtime: () -> Runtime,
) {
    private val loaded = lazy(runtime)
    val runtime: Runtime get() = loaded.value
    val check = BundleCheck(bundles) { this.runtime }
}

class Demo : Application() {
    lateinit var services: Services

    override fun onCreate() {
        super.onCreate()
        services = Services(AssetBundles(assets), ModelFiles(File(filesDir, "models"))) {
            OnePool(ExecuTorch(getString(R.string.executorch_version)))
        }
    }
}

val Context.services: Services get() = (applicationContext as Demo).services
