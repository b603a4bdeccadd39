package dev.mobilekit.demo

import android.Manifest
import android.app.Activity
import android.content.ContentProvider
import android.content.ContentValues
import android.content.Intent
import android.database.Cursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.MediaStore
import android.content.pm.PackageManager
import android.os.Looper
import android.view.View
import android.widget.LinearLayout
import android.widget.TextView
import dev.mobilekit.Artifact
import dev.mobilekit.Bundle
import dev.mobilekit.FolderFiles
import dev.mobilekit.ModelRunner
import dev.mobilekit.Runtime
import dev.mobilekit.Tensor
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import java.io.ByteArrayOutputStream
import java.io.File
import java.nio.ByteBuffer
import java.util.concurrent.CountDownLatch
import java.util.zip.CRC32
import java.util.zip.DeflaterOutputStream

/** A gallery with the files of one folder. */
class Gallery : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor =
        if (uri.lastPathSegment == BROKEN) error("the gallery's own fault")
        else ParcelFileDescriptor.open(File(folder, uri.lastPathSegment!!), ParcelFileDescriptor.MODE_READ_ONLY)

    override fun getType(uri: Uri) = "image/jpeg"

    override fun query(uri: Uri, columns: Array<out String>?, where: String?, values: Array<out String>?, order: String?): Cursor? = null

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<out String>?) = 0

    override fun delete(uri: Uri, where: String?, arguments: Array<out String>?) = 0

    companion object {
        lateinit var folder: File
        const val AUTHORITY = "dev.mobilekit.test.gallery"
        const val BROKEN = "broken"
    }
}

/** Answers NaN, as a model does whose values overflow. */
class Numberless(private val runtime: Runtime) : Runtime by runtime {
    override fun load(artifact: Artifact, file: File, threads: Int): ModelRunner {
        val runner = runtime.load(artifact, file, threads)
        return object : ModelRunner by runner {
            override fun run(inputs: List<Tensor>) =
                runner.run(inputs).map { Tensor.filled(it.name, it.dtype, it.shape, Double.NaN) }
        }
    }
}

/** From a picked picture to the label that the desk gave it. */
class PhotoTest : AppTest() {
    private fun screen(folder: File, runtime: () -> Runtime = { native() }): ActivityController<PhotoActivity> {
        embed(folder, runtime = runtime)
        shadowOf(app.packageManager).setSystemFeature(PackageManager.FEATURE_CAMERA_ANY, true)
        val controller = open(PhotoActivity::class.java, folder.name)
        await("the model") { controller.get().shows(R.id.hint) }
        return controller
    }

    private fun PhotoActivity.pick(folder: File, name: String) {
        Gallery.folder = folder
        Robolectric.buildContentProvider(Gallery::class.java).create(Gallery.AUTHORITY)
        findViewById<View>(R.id.pick).performClick()
        val asked = shadowOf(this).nextStartedActivity
        assertEquals("image/*", asked.type)
        val picked = Uri.parse("content://${Gallery.AUTHORITY}/$name")
        shadowOf(this).receiveResult(asked, Activity.RESULT_OK, Intent().setData(picked))
        await("an answer") { !shows(R.id.working) }
    }

    private fun PhotoActivity.label(): String =
        findViewById<LinearLayout>(R.id.guesses).getChildAt(0).findViewById<TextView>(R.id.label).text.toString()

    /** Every golden photo of these models: JPEG, PNG with alpha, grey, turned by EXIF, from 37x401 to 640x427. */
    @Test
    fun `a picked picture gets the desk's label`() {
        for (name in listOf("lenet", "resnet20", "mobilenet_v3_small")) {
            val folder = bundle(name, samples = 13)
            val bundle = Bundle.open(FolderFiles(folder))
            val artifact = bundle.artifacts.minBy { it.bytes }
            val activity = screen(folder).get()
            for (sample in bundle.manifest.golden) {
                val encoded = File(folder, sample.encoded!!.file)
                activity.pick(encoded.parentFile!!, encoded.name)
                assertTrue(activity.words(), activity.shows(R.id.answer))
                assertEquals("$name, ${sample.id}", bundle.goldenLabel(sample, artifact), activity.label())
            }
        }
    }

    @Test
    fun `the picker is the system's own, and the documents' before Android 13`() {
        val folder = bundle("lenet")
        val activity = screen(folder).get()
        activity.findViewById<View>(R.id.pick).performClick()
        assertEquals(MediaStore.ACTION_PICK_IMAGES, shadowOf(activity).nextStartedActivity.action)
    }

    @Test
    fun `nothing picked leaves everything as it was`() {
        val activity = screen(bundle("lenet")).get()
        activity.findViewById<View>(R.id.pick).performClick()
        shadowOf(activity).receiveResult(shadowOf(activity).nextStartedActivity, Activity.RESULT_CANCELED, null)
        assertTrue(activity.shows(R.id.hint))
    }

    @Test
    fun `what is no picture gets words`() {
        val folder = bundle("lenet")
        val activity = screen(folder).get()
        activity.pick(folder, "labels.txt")
        assertTrue(activity.words(), activity.words().contains("cannot be decoded"))
        activity.pick(folder, "not-there.jpg")
        assertTrue(activity.words(), activity.words().contains("cannot be read"))
    }

    @Test
    fun `a gallery that breaks gets words`() {
        val folder = bundle("lenet")
        val activity = screen(folder).get()
        activity.pick(folder, Gallery.BROKEN)
        assertTrue(activity.words(), activity.words().contains("the gallery's own fault"))
    }

    /** The platform decodes them to halves of floats, of which the high byte cannot be told to the bit. */
    @Test
    fun `a picture of 16 bits a channel is refused, and not taken for one of 8`() {
        val folder = bundle("lenet")
        val activity = screen(folder).get()
        File(folder, "deep.png").writeBytes(deepPng(16, 8))
        activity.pick(folder, "deep.png")
        assertTrue(activity.words(), activity.words().contains("8 bits"))
    }

    /** Signature, header, one zlib stream of rows without a filter, end. */
    private fun deepPng(width: Int, height: Int): ByteArray {
        val rows = ByteArray(height * (1 + width * 6)) { if (it % (1 + width * 6) == 0) 0 else (it * 37).toByte() }
        val packed = ByteArrayOutputStream().also { to -> DeflaterOutputStream(to).use { it.write(rows) } }.toByteArray()
        val header = ByteBuffer.allocate(13).putInt(width).putInt(height).put(byteArrayOf(16, 2, 0, 0, 0)).array()
        return byteArrayOf(-0x77, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A) +
            chunk("IHDR", header) + chunk("IDAT", packed) + chunk("IEND", ByteArray(0))
    }

    private fun chunk(name: String, body: ByteArray): ByteArray {
        val named = name.toByteArray() + body
        val sum = CRC32().apply { update(named) }.value.toInt()
        return ByteBuffer.allocate(8 + named.size).putInt(body.size).put(named).putInt(sum).array()
    }

    @Test
    fun `a model that answers no number is shown, and ends nothing`() {
        val folder = bundle("lenet")
        val activity = screen(folder) { Numberless(native()) }.get()
        activity.pick(File(folder, "golden/000"), "image.jpg")
        assertTrue(activity.words(), activity.shows(R.id.answer))
    }

    @Test
    fun `the answer survives a rotation`() {
        val folder = bundle("lenet")
        val controller = screen(folder)
        controller.get().pick(File(folder, "golden/000"), "image.jpg")
        val before = controller.get()
        val label = before.label()
        val after = rotate(controller)
        assertNotEquals(before, after)
        assertTrue(after.shows(R.id.answer))
        assertEquals(label, after.label())
    }

    @Test
    fun `without the camera's permission it says so, with it the camera app is asked`() {
        val activity = screen(bundle("lenet")).get()
        val take = activity.findViewById<View>(R.id.take)
        take.performClick()
        val request = shadowOf(activity).lastRequestedPermission
        assertEquals(listOf(Manifest.permission.CAMERA), request.requestedPermissions.toList())
        activity.onRequestPermissionsResult(request.requestCode, request.requestedPermissions, intArrayOf(PackageManager.PERMISSION_DENIED))
        assertTrue(activity.words(), activity.words().contains("permission"))

        shadowOf(app).grantPermissions(Manifest.permission.CAMERA)
        take.performClick()
        val asked = shadowOf(activity).nextStartedActivity
        assertEquals(MediaStore.ACTION_IMAGE_CAPTURE, asked.action)
        @Suppress("DEPRECATION")
        val place = asked.getParcelableExtra<Uri>(MediaStore.EXTRA_OUTPUT)!!
        assertEquals(SharedFiles::class.java.name, app.packageManager.resolveContentProvider(place.authority!!, 0)?.name)
        assertTrue(asked.flags and Intent.FLAG_GRANT_WRITE_URI_PERMISSION != 0)
    }

    /** The app was ended while the camera app was in front: the picture is there before the model is. */
    @Test
    fun `a picture that comes before the model waits for it`() {
        val folder = bundle("lenet")
        val loading = CountDownLatch(1)
        val reading = CountDownLatch(1)
        embed(folder) { loading.await(); native() }
        val activity = open(PhotoActivity::class.java, folder.name).get()
        activity.model.classify { reading.countDown(); Thread.sleep(300); File(folder, "golden/000/image.jpg").readBytes() }
        loading.countDown()
        reading.await()
        shadowOf(Looper.getMainLooper()).idle()
        assertTrue("${activity.model.state}", activity.model.state is PhotoState.Working)
        await("an answer") { activity.shows(R.id.answer) }
    }

    @Test
    fun `a picture that the camera app wrote is recognized`() {
        val folder = bundle("lenet")
        val activity = screen(folder).get()
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA)
        Robolectric.buildContentProvider(SharedFiles::class.java).create("${app.packageName}.shared")
        activity.findViewById<View>(R.id.take).performClick()
        val asked = shadowOf(activity).nextStartedActivity
        File(folder, "golden/000/image.jpg").copyTo(SharedFiles.place(app, SharedFiles.PHOTO), overwrite = true)
        shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, null)
        await("an answer") { !activity.shows(R.id.working) }
        assertTrue(activity.words(), activity.shows(R.id.answer))

        activity.findViewById<View>(R.id.take).performClick()
        shadowOf(activity).receiveResult(shadowOf(activity).nextStartedActivity, Activity.RESULT_OK, null)
        await("an end") { !activity.shows(R.id.working) }
        assertTrue("nothing was written this time", activity.shows(R.id.failure))
    }
}
