package dev.mobilekit.demo

import android.widget.LinearLayout
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.util.ReflectionHelpers
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream

/** The bundles of the real app: its assets. */
class AssetsTest : AppTest() {
    @Test
    fun `a bundle in the assets is found, checked and unpacked`() {
        val apk = scratch.newFile("with-a-bundle.apk")
        val bundle = bundle("lenet")
        ZipOutputStream(apk.outputStream()).use { zip ->
            for (file in bundle.walk().filter { it.isFile }) {
                zip.putNextEntry(ZipEntry("assets/mobilekit/lenet/${file.relativeTo(bundle).invariantSeparatorsPath}"))
                zip.write(file.readBytes())
            }
        }
        // What the system does with an app's own file when it starts the app; no public method does.
        ReflectionHelpers.callInstanceMethod<Int>(app.assets, "addAssetPath", ClassParameter.from(String::class.java, apk.path))

        val source = AssetBundles(app.assets)
        assertEquals(listOf("lenet"), source.names())
        assertNull(source.files("lenet").below("labels.txt"))
        assertTrue("000/image.jpg" in source.files("lenet").below("golden")!!)
        app.services = Services(source, ModelFiles(File(app.filesDir, "models"))) { native() }
        val home = open(HomeActivity::class.java).get()
        await("the check") { !home.shows(R.id.checking) }
        assertTrue(home.words(), home.words().contains("lenet"))
        assertEquals(4, home.findViewById<LinearLayout>(R.id.actions).childCount)

        val ready = app.services.ready("lenet")
        val file = app.services.models.file(ready.bundle, ready.artifact)
        assertEquals(ready.artifact.bytes, file.length())
        assertEquals(file, app.services.models.file(ready.bundle, ready.artifact))
        app.services.models.keepOnly(emptyList())
        assertTrue(!file.exists())
    }

    @Test
    fun `without assets there are no bundles`() = assertEquals(emptyList<String>(), AssetBundles(app.assets).names())
}
