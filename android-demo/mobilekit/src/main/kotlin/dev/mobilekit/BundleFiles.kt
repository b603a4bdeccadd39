package dev.mobilekit

import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.nio.file.Files

/**
 * Where a bundle lies: a folder, an app's assets, an archive. Paths are those of bundle.json: relative, with `/`.
 */
interface BundleFiles {
    /** What errors call this place. */
    val name: String

    /** The bytes of a file. Throws [FileNotFoundException] where there is none, [IOException] where it cannot be read. */
    @Throws(IOException::class)
    fun open(path: String): InputStream

    /** The files below a folder, relative to it, in any order; null where [path] is no folder. */
    @Throws(IOException::class)
    fun below(path: String): List<String>?
}

/** A bundle in a folder of the file system. Refuses symbolic links: what they point to is nobody's promise. */
class FolderFiles(val root: File) : BundleFiles {
    override val name: String get() = root.path

    override fun open(path: String): InputStream {
        val file = place(path)
        if (!file.isFile) throw FileNotFoundException(file.path)
        return file.inputStream()
    }

    override fun below(path: String): List<String>? {
        val folder = place(path)
        if (!folder.isDirectory) return null
        val found = mutableListOf<String>()
        collect(folder, "", found)
        return found
    }

    /** The file or folder itself, for runtimes that load by path. */
    fun place(path: String): File {
        var at = root
        for (part in path.split('/')) {
            at = File(at, part)
            if (part == ".." || Files.isSymbolicLink(at.toPath())) throw IOException("${at.path} is a link out of the bundle")
        }
        return at
    }

    private fun collect(folder: File, prefix: String, into: MutableList<String>) {
        for (entry in folder.listFiles() ?: throw IOException("${folder.path} cannot be listed")) {
            if (Files.isSymbolicLink(entry.toPath())) throw IOException("${entry.path} is a link")
            if (entry.isDirectory) collect(entry, "$prefix${entry.name}/", into) else into += prefix + entry.name
        }
    }
}
