package dev.mobilekit.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException

/**
 * The two files that other apps see, and only while this app granted them one: the photo that a camera app writes, and
 * the benchmark's results that another app reads. Refuses every other path.
 */
class SharedFiles : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor =
        ParcelFileDescriptor.open(file(uri).also { it.parentFile?.mkdirs() }, ParcelFileDescriptor.parseMode(mode))

    override fun getType(uri: Uri): String? = TYPES[uri.lastPathSegment]

    override fun query(uri: Uri, columns: Array<out String>?, where: String?, values: Array<out String>?, order: String?): Cursor {
        val file = file(uri)
        val cursor = MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE))
        cursor.addRow(arrayOf<Any>(file.name, file.length()))
        return cursor
    }

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<out String>?) = 0

    override fun delete(uri: Uri, where: String?, arguments: Array<out String>?) = 0

    private fun file(uri: Uri): File {
        val name = uri.pathSegments.singleOrNull()
        if (name !in TYPES) throw FileNotFoundException("$uri is not shared")
        return place(checkNotNull(context), checkNotNull(name))
    }

    companion object {
        const val PHOTO = "photo.jpg"
        const val RESULTS = "mobilekit-bench.json"
        private val TYPES = mapOf(PHOTO to "image/jpeg", RESULTS to "application/json")

        fun uri(context: Context, name: String): Uri =
            Uri.Builder().scheme("content").authority("${context.packageName}.shared").appendPath(name).build()

        fun place(context: Context, name: String) = File(context.cacheDir, "shared/$name")
    }
}
