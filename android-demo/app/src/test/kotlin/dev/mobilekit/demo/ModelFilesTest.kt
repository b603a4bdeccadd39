package dev.mobilekit.demo

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

/** Models on their way from a bundle to a file that the runtime maps. */
class ModelFilesTest : AppTest() {
    @Test
    fun `an artifact is unpacked once, whole, and deleted when no bundle names it`() {
        embed(bundle("lenet"))
        val ready = app.services.ready("lenet")
        val file = app.services.models.file(ready.bundle, ready.artifact)
        assertEquals(ready.artifact.bytes, file.length())
        val written = file.lastModified()
        assertEquals(file, app.services.models.file(ready.bundle, ready.artifact))
        assertEquals(written, file.lastModified())
        assertEquals(listOf(file.name), File(app.filesDir, "models").list()!!.toList())
        app.services.models.keepOnly(ready.artifacts)
        assertTrue(file.exists())
        app.services.models.keepOnly(emptyList())
        assertTrue(!file.exists())
    }

    @Test
    fun `without assets there are no bundles`() = assertEquals(emptyList<String>(), AssetBundles(app.assets).names())
}
