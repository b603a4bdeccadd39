package dev.mobilekit.demo

import dev.mobilekit.Artifact
import dev.mobilekit.Bundle
import dev.mobilekit.BundleException
import java.io.File
import java.io.IOException
import java.security.MessageDigest

/**
 * Artifacts as files, since the runtime maps a model into memory by its path and assets have none. Each lies under its
 * SHA-256, appears whole or not at all, and is copied once; what no bundle names any more is deleted.
 */
class ModelFiles(private val root: File) {
    @Synchronized
    fun file(bundle: Bundle, artifact: Artifact): File {
        val place = File(root, artifact.sha256)
        if (place.length() == artifact.bytes) return place
        val unfinished = File(root, "${artifact.sha256}.part")
        try {
            root.mkdirs()
            val digest = MessageDigest.getInstance("SHA-256")
            bundle.files.open(artifact.file).use { from ->
                unfinished.outputStream().use { to ->
                    val buffer = ByteArray(1 shl 16)
                    while (true) {
                        val count = from.read(buffer)
                        if (count < 0) break
                        digest.update(buffer, 0, count)
                        to.write(buffer, 0, count)
                    }
                    to.fd.sync() // later starts ask for its length alone
                }
            }
            val sha256 = digest.digest().joinToString("") { "%02x".format(it) }
            if (sha256 != artifact.sha256) throw IOException("its content is not what was listed (SHA-256)")
            if (!unfinished.renameTo(place)) throw IOException("${place.name} cannot be written")
            return place
        } catch (error: IOException) {
            throw BundleException("${artifact.file} cannot be unpacked: ${error.message}", "free some storage", error)
        } finally {
            unfinished.delete()
        }
    }

    /** Deletes all but the files of these artifacts: what an older version of the app left. */
    @Synchronized
    fun keepOnly(artifacts: Collection<Artifact>) {
        val named = artifacts.map { it.sha256 }.toSet()
        root.listFiles().orEmpty().filter { it.name !in named }.forEach { it.delete() }
    }
}
