package dev.mobilekit.testing

import dev.mobilekit.Artifact
import dev.mobilekit.ModelRunner
import dev.mobilekit.RunnerException
import dev.mobilekit.Runtime
import dev.mobilekit.Tensor
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile

/**
 * ExecuTorch on this machine: mobilekit's own C++ runner, one process per loaded artifact, spoken to by its protocol
 * (runners/protocol.py). What an app gets through JNI on a phone, a test on the JVM gets through this, from the same
 * .pte. `tests/android/golden_bundles.py` builds the program and writes its path to `runner.path`.
 */
class NativeRuntime(
    private val program: File,
    override val version: String,
    override val backends: Set<String> = setOf("XnnpackBackend"),
    override val operators: Set<String>? = null,
) : Runtime {
    override val name: String get() = "executorch"

    override fun load(artifact: Artifact, file: File, threads: Int): ModelRunner = NativeRunner(program, artifact, file, threads)

    companion object {
        /** The one that golden_bundles.py built and described in [folder]; null where there is none. */
        fun beside(folder: File): NativeRuntime? {
            val path = File(folder, "runner.path").takeIf { it.isFile }?.readLines() ?: return null
            val program = File(path[0]).takeIf { it.canExecute() } ?: return null
            return NativeRuntime(program, path[1])
        }
    }
}

/** A loaded .pte in a process of its own. */
class NativeRunner(program: File, private val artifact: Artifact, file: File, private val threads: Int) : ModelRunner {
    private val inputs = File.createTempFile("mobilekit", ".in")
    private val outputs = File.createTempFile("mobilekit", ".out")
    private val process = start(program)
    private val requests = process.outputStream
    private val replies = process.inputStream.bufferedReader()
    private val given = RandomAccessFile(inputs, "rw")
    private val taken = RandomAccessFile(outputs, "r")

    init {
        try {
            expect("ready", "start")
            // Both sides have them open: no name is needed any more.
            inputs.delete()
            outputs.delete()
            ask("loaded", "load it") {
                put("kind", "load")
                put("artifact", file.absolutePath)
                put("threads", threads)
            }
        } catch (error: RunnerException) {
            close()
            throw error
        }
    }

    override fun run(inputs: List<Tensor>): List<Tensor> {
        given.setLength(0)
        given.seek(0)
        for (input in inputs) given.write(npy(input))
        val ran = ask("ran", "run it") {
            put("kind", "run")
            put("samples", 1)
            put("tensors", inputs.size)
            put("feed", JsonNull)
        }
        val count = ran["tensors"]?.jsonPrimitive?.content?.toIntOrNull() ?: throw nonsense("run it", ran.toString())
        val bytes = ByteArray(taken.length().toInt())
        taken.seek(0)
        taken.readFully(bytes)
        return readNpy(bytes, count).mapIndexed { index, tensor -> tensor.named(artifact.outputs.getOrNull(index)?.name ?: "output$index") }
    }

    override fun close() {
        runCatching { requests.close() } // the end of its requests is where it ends
        process.destroyForcibly().waitFor()
        runCatching { replies.close() }
        given.close()
        taken.close()
        inputs.delete()
        outputs.delete()
    }

    /**
     * The program takes THREADS and five descriptors: requests, replies, lifeline, inputs, outputs. A JVM hands on none
     * but the standard ones, so a shell opens the files; what the runtime prints goes to standard error.
     */
    private fun start(program: File): Process {
        val script = "exec \"\$0\" \"\$1\" 3 4 - 5 6 3<&0 4>&1 5<\"\$2\" 6<>\"\$3\" 0</dev/null 1>&2"
        return try {
            ProcessBuilder("/bin/sh", "-c", script, program.path, threads.toString(), inputs.path, outputs.path)
                .redirectError(ProcessBuilder.Redirect.to(File("/dev/null")))
                .start()
        } catch (error: IOException) {
            throw RunnerException("${program.path} cannot be started: ${error.message}", "make the bundles again", error)
        }
    }

    private fun ask(kind: String, what: String, request: kotlinx.serialization.json.JsonObjectBuilder.() -> Unit): JsonObject {
        try {
            requests.write((buildJsonObject(request).toString() + "\n").toByteArray())
            requests.flush()
        } catch (error: IOException) {
            throw RunnerException("${artifact.file}: the native runner ended when asked to $what", cause = error)
        }
        return expect(kind, what)
    }

    private fun expect(kind: String, what: String): JsonObject {
        val line = replies.readLine() ?: throw RunnerException("${artifact.file}: the native runner ended when asked to $what")
        val reply = try {
            Json.parseToJsonElement(line).jsonObject
        } catch (error: SerializationException) {
            throw nonsense(what, line)
        } catch (error: IllegalArgumentException) {
            throw nonsense(what, line)
        }
        val said = (reply["kind"] as? JsonPrimitive)?.content
        if (said == "refused") {
            throw RunnerException("${artifact.file}: ExecuTorch refused to $what: ${(reply["message"] as? JsonPrimitive)?.content}")
        }
        if (said != kind) throw nonsense(what, line)
        return reply
    }

    private fun nonsense(what: String, said: String) =
        RunnerException("${artifact.file}: the native runner answered nonsense when asked to $what: ${said.take(80)}")
}
