package dev.mobilekit.demo

import android.content.res.AssetManager
import dev.mobilekit.Bundle
import dev.mobilekit.FolderFiles
import dev.mobilekit.GoldenCheck
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import java.io.File

/**
 * Bundles as a phone has them: packed into an APK by aapt2, and read through Android's AssetManager, whose C++ is written
 * in Java here. The one thing that differs is list(): it names all files below, and not only the next folders.
 */
class ApkTest : AppTest() {
    /** The app's assets and, besides, those in an APK that holds these bundles where `embed` puts them. */
    private fun packed(vararg bundles: File): AssetManager {
        val assets = scratch.newFolder("assets")
        for (bundle in bundles) bundle.copyRecursively(File(assets, "mobilekit/${bundle.name}"))
        val apk = File(scratch.root, "bundles.apk")
        val log = File(scratch.root, "aapt2.log")
        val resources = System.getProperty("mobilekit.resources")
        assumeTrue("only pom.xml says where aapt2 and its results are", resources != null)
        val command = listOf(
            System.getProperty("mobilekit.aapt2"), "link", "-I", System.getProperty("mobilekit.framework"),
            "--manifest", "$resources/AndroidManifest.xml", "-A", assets.path, "-o", apk.path, "$resources/compiled.zip",
        )
        val status = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start().waitFor()
        assertEquals(log.readText(), 0, status)
        AssetManager::class.java.getMethod("addAssetPath", String::class.java).invoke(app.assets, apk.path)
        return app.assets
    }

    @Test
    fun `every file of a bundle comes out of the APK as it went in`() {
        val folder = bundle("lenet")
        val source = AssetBundles(packed(folder, bundle("kws_gru")))
        assertEquals(listOf("kws_gru", "lenet"), source.names())
        val files = source.files("lenet")
        val there = folder.walk().filter { it.isFile }.map { it.relativeTo(folder).path }.toList()
        assertTrue("$there", there.size > 10)
        for (path in there) assertTrue(path, files.open(path).use { it.readBytes() }.contentEquals(File(folder, path).readBytes()))
        val golden = there.filter { it.startsWith("golden/") }.map { it.removePrefix("golden/") }
        assertEquals(golden.sorted(), files.below("golden")!!.sorted())
        assertEquals(null, files.below("labels.txt"))
        assertEquals(null, files.below("not-there"))
    }

    @Test
    fun `a bundle in the APK passes the check at the start and its golden samples`() {
        val source = AssetBundles(packed(bundle("lenet")))
        app.services = Services(source, ModelFiles(File(app.filesDir, "models"))) { native() }
        val ready = app.services.ready("lenet")
        app.services.load(ready.bundle, ready.artifact).use { runner ->
            val results = GoldenCheck.run(ready.bundle, ready.artifact, runner, Photo::decode)
            assertTrue(results.joinToString("\n"), GoldenCheck.passed(results))
        }
    }

    @Test
    fun `a file that was changed before it was packed is refused`() {
        val folder = bundle("lenet")
        val model = Bundle.open(FolderFiles(folder)).artifacts[0].file
        File(folder, model).appendText("more")
        val refused = BundleCheck(AssetBundles(packed(folder))) { native() }.one("lenet") as Embedded.Refused
        assertTrue(refused.problems[0].message, refused.problems[0].message.contains("$model was changed"))
    }
}
