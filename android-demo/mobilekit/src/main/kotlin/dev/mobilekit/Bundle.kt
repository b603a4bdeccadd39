package dev.mobilekit

import java.io.ByteArrayOutputStream
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import java.security.MessageDigest

/**
 * A bundle that was opened: its manifest, and its files on request. An app's bundle need not hold every listed file
 * (the desk's reference and reports stay behind), but what is there is as it was listed.
 */
class Bundle private constructor(val files: BundleFiles, val manifest: Manifest, val sha256: String) {
    /** The artifacts that are meant for a phone and lie in this bundle, in the manifest's order. */
    val artifacts: List<Artifact> = manifest.shipped.filter { exists(it) }

    /** Names of the classes; null where none are known. */
    val labels: Labels? = manifest.labels?.let { Labels.parse(String(read(it), Charsets.UTF_8)) }

    /** The bytes of a listed file. Throws [BundleException] where it is missing or of another size. */
    fun read(entry: Listed): ByteArray {
        if (entry.bytes > Int.MAX_VALUE - 8) throw BundleException("${entry.file} is too large to be read at once")
        val bytes = reading(entry) { it.readUpTo(entry.bytes.toInt() + 1) }
        if (bytes.size.toLong() != entry.bytes) throw changed(entry, "its size is not ${entry.bytes} bytes")
        return bytes
    }

    /** A golden tensor. */
    fun tensor(entry: GoldenTensor): Tensor = Tensor(entry.name, entry.dtype, entry.shape, ByteBuffer.wrap(read(entry)))

    /** The decoded pixels of a golden sample. Throws [BundleException] where they are no 8-bit RGB image. */
    fun pixels(entry: GoldenTensor): Pixels {
        if (entry.dtype != DType.UINT8 || entry.shape.size != 3 || entry.shape[2] != 3) {
            throw BundleException("${entry.file} is ${entry.dtype.label} ${entry.shape}, not uint8 [height, width, 3]")
        }
        return Pixels(entry.shape[1], entry.shape[0], read(entry))
    }

    /** Why [artifact] lies here otherwise than it was listed; null where all is well. */
    private fun damage(entry: Listed): String? {
        val below = try {
            files.below(entry.file)
        } catch (error: IOException) {
            return error.message
        }
        if (below == null) {
            val (bytes, sha256) = reading(entry, ::hashed)
            return differs(entry, bytes, sha256)
        }
        var total = 0L
        val lines = StringBuilder()
        for (path in below.sorted()) {
            val file = FileEntry("${entry.file}/$path", 0, "")
            val (bytes, sha256) = reading(file, ::hashed)
            total += bytes
            lines.append(sha256).append("  ").append(path).append('\n')
        }
        return differs(entry, total, hex(MessageDigest.getInstance("SHA-256").digest(lines.toString().toByteArray())))
    }

    private fun differs(entry: Listed, bytes: Long, sha256: String): String? = when {
        bytes != entry.bytes -> "it has $bytes bytes, ${entry.bytes} were listed"
        sha256 != entry.sha256 -> "its content is not what was listed (SHA-256)"
        else -> null
    }

    private fun exists(entry: Listed): Boolean = try {
        files.below(entry.file) != null || files.open(entry.file).use { true }
    } catch (_: FileNotFoundException) {
        false
    } catch (error: IOException) {
        throw BundleException("${files.name}: ${entry.file} cannot be read: ${error.message}", cause = error)
    }

    private fun <T> reading(entry: Listed, read: (InputStream) -> T): T = try {
        files.open(entry.file).use(read)
    } catch (error: FileNotFoundException) {
        throw BundleException("${files.name}: ${entry.file} is missing", AGAIN, error)
    } catch (error: IOException) {
        throw BundleException("${files.name}: ${entry.file} cannot be read: ${error.message}", AGAIN, error)
    }

    private fun changed(entry: Listed, how: String) = BundleException("${files.name}: ${entry.file} was changed: $how", AGAIN)

    private fun check() {
        val golden = manifest.golden.flatMap { it.files }
        for (entry in listOfNotNull(manifest.labels) + artifacts + golden.filter { exists(it) }) {
            damage(entry)?.let { throw changed(entry, it) }
        }
    }

    companion object {
        private const val AGAIN = "copy or embed the bundle again"
        private const val LARGEST_MANIFEST = 64 shl 20

        /**
         * Reads bundle.json and, with [check], holds labels, artifacts and golden samples against their size and
         * SHA-256. Throws [BundleException], and nothing else, for whatever is wrong with the bundle.
         */
        fun open(files: BundleFiles, check: Boolean = true): Bundle {
            val bytes = try {
                files.open(Manifest.FILE).use { it.readUpTo(LARGEST_MANIFEST + 1) }
            } catch (error: FileNotFoundException) {
                throw BundleException("${files.name} is no bundle: ${Manifest.FILE} is missing", AGAIN, error)
            } catch (error: IOException) {
                throw BundleException("${files.name}: ${Manifest.FILE} cannot be read: ${error.message}", AGAIN, error)
            }
            if (bytes.size > LARGEST_MANIFEST) throw BundleException("${Manifest.FILE} is larger than any manifest")
            val manifest = Manifest.parse(String(bytes, Charsets.UTF_8))
            val bundle = Bundle(files, manifest, hex(MessageDigest.getInstance("SHA-256").digest(bytes)))
            if (bundle.artifacts.isEmpty()) {
                throw BundleException("${files.name} holds no model: none of ${listing(manifest)} is there", AGAIN)
            }
            if (check) bundle.check()
            return bundle
        }

        private fun listing(manifest: Manifest) = manifest.shipped.joinToString(", ", "[", "]") { it.file }
    }
}

/** At most [most] bytes: what promises to be small is not read to its end where it is not. */
internal fun InputStream.readUpTo(most: Int): ByteArray {
    val found = ByteArrayOutputStream(minOf(most, 1 shl 16))
    val buffer = ByteArray(1 shl 16)
    while (found.size() < most) {
        val count = read(buffer, 0, minOf(buffer.size, most - found.size()))
        if (count < 0) break
        found.write(buffer, 0, count)
    }
    return found.toByteArray()
}

/** Size and SHA-256 of what a stream holds. */
internal fun hashed(stream: InputStream): Pair<Long, String> {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = ByteArray(1 shl 16)
    var total = 0L
    while (true) {
        val count = stream.read(buffer)
        if (count < 0) return total to hex(digest.digest())
        digest.update(buffer, 0, count)
        total += count
    }
}

internal fun hex(bytes: ByteArray): String = buildString(bytes.size * 2) {
    for (byte in bytes) {
        append("0123456789abcdef"[byte.toInt() shr 4 and 15])
        append("0123456789abcdef"[byte.toInt() and 15])
    }
}
