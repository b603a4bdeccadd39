package dev.mobilekit.demo

import android.content.res.AssetManager
import dev.mobilekit.Artifact
import dev.mobilekit.Bundle
import dev.mobilekit.BundleFiles
import dev.mobilekit.MobileKitException
import dev.mobilekit.Problem
import dev.mobilekit.Runtime
import dev.mobilekit.requirements
import java.io.FileNotFoundException
import java.io.InputStream

/** Where this app's bundles lie: its assets, and folders in tests. */
interface BundleSource {
    /** The names of all bundles, sorted. */
    fun names(): List<String>

    fun files(name: String): BundleFiles
}

/** `assets/mobilekit/<name>/`, where `mobilekit embed` puts a bundle. */
class AssetBundles(private val assets: AssetManager) : BundleSource {
    override fun names(): List<String> =
        assets.list(ROOT).orEmpty()
            .map { it.substringBefore('/') } // a listing may go deeper: Robolectric's does
            .distinct()
            .filter { assets.list("$ROOT/$it").orEmpty().isNotEmpty() }
            .sorted()

    override fun files(name: String): BundleFiles = AssetFiles(assets, "$ROOT/$name")

    private companion object {
        const val ROOT = "mobilekit"
    }
}

private class AssetFiles(private val assets: AssetManager, private val root: String) : BundleFiles {
    override val name: String get() = root.substringAfterLast('/')

    override fun open(path: String): InputStream = assets.open("$root/$path")

    // An asset manager lists nothing both for a file and for what is not there.
    override fun below(path: String): List<String>? {
        val children = assets.list("$root/$path").orEmpty()
        if (children.isEmpty()) return null
        return children.flatMap { child -> below("$path/$child")?.map { "$child/$it" } ?: listOf(child) }
    }
}

/** A bundle as the start of the app found it: ready to run, or refused with the reason. */
sealed interface Embedded {
    val name: String

    /** [artifacts] are those that this app's runtime can run, at least one; [problems] say why it cannot run others. */
    data class Ready(
        override val name: String,
        val bundle: Bundle,
        val artifacts: List<Artifact>,
        val problems: List<Problem>,
    ) : Embedded {
        /** What the screens run unless another one is chosen: the smallest file. */
        val artifact: Artifact get() = artifacts.minBy { it.bytes }
    }

    data class Refused(override val name: String, val problems: List<Problem>) : Embedded
}

/**
 * The check at the app's start: schema version, hashes of all files, and whether the runtime has the version, backends
 * and operators that the artifacts need. Whatever is wrong becomes a [Embedded.Refused], never an exception.
 */
class BundleCheck(private val source: BundleSource, private val runtime: () -> Runtime) {
    fun all(): List<Embedded> = source.names().map(::one)

    fun one(name: String): Embedded = try {
        val bundle = Bundle.open(source.files(name))
        val running = runtime()
        val reasons = bundle.artifacts.associateWith { requirements(it, running) }
        val fitting = reasons.filterValues { it.isEmpty() }.keys.toList()
        // Artifacts for another runtime are no problem where one for this app's is there.
        val own = reasons.filterKeys { it.runtime == running.name }.ifEmpty { reasons }.values.flatten()
        if (fitting.isEmpty()) Embedded.Refused(name, own) else Embedded.Ready(name, bundle, fitting, own)
    } catch (error: MobileKitException) {
        Embedded.Refused(name, listOf(Problem(error.message.orEmpty(), error.hint)))
    } catch (error: FileNotFoundException) {
        Embedded.Refused(name, listOf(Problem("$name: ${error.message} is missing")))
    } catch (error: LinkageError) {
        // The runtime's native library is not there, or not for this phone's processor.
        Embedded.Refused(name, listOf(Problem("ExecuTorch could not be loaded: ${error.message}")))
    }
}
