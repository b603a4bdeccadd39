package dev.mobilekit.demo

import android.widget.LinearLayout
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

/** The bundles of the real app: its assets. */
class AssetsTest : AppTest() {
    @Test
    fun `a bundle in the assets is found, checked and unpacked`() {
        val assets = File(System.getProperty("mobilekit.assets")!!, "mobilekit")
        assets.deleteRecursively()
        try {
            bundle("lenet").copyRecursively(File(assets, "lenet"))
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
        } finally {
            assets.deleteRecursively()
        }
    }

    @Test
    fun `without assets there are no bundles`() = assertEquals(emptyList<String>(), AssetBundles(app.assets).names())
}
