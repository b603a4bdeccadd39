package dev.mobilekit.demo

import android.app.ActivityManager
import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.os.Build
import android.os.Bundle
import android.view.View
import android.view.WindowManager
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.TextView
import dev.mobilekit.BenchmarkResult
import dev.mobilekit.Device
import java.io.IOException

/** How fast the artifacts are on this phone; the results go to another app as JSON. */
class BenchmarkActivity : Screen<BenchmarkState, BenchmarkModel>(R.layout.benchmark) {
    private val artifacts: RadioGroup get() = findViewById(R.id.artifacts)
    private val threads: RadioGroup get() = findViewById(R.id.threads)
    private val runs: RadioGroup get() = findViewById(R.id.runs)
    private var restored: Bundle? = null
    private var drawn = emptyList<BenchmarkResult>()

    override fun create() = BenchmarkModel(services, bundleName, thisDevice(), versionName())

    override fun onCreate(savedInstanceState: Bundle?) {
        restored = savedInstanceState
        super.onCreate(savedInstanceState)
    }

    override fun prepare() {
        val cores = java.lang.Runtime.getRuntime().availableProcessors()
        threads.choices(BenchmarkModel.THREADS.filter { it == 1 || it <= cores }.map { it.toString() })
        runs.choices(BenchmarkModel.RUNS.map { it.toString() })
        threads.choose(restored?.getInt(THREADS) ?: 0)
        runs.choose(restored?.getInt(RUNS) ?: 0)
        findViewById<View>(R.id.run).setOnClickListener { run() }
        findViewById<View>(R.id.share).setOnClickListener { share() }
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putInt(ARTIFACT, artifacts.chosen)
        outState.putInt(THREADS, threads.chosen)
        outState.putInt(RUNS, runs.chosen)
    }

    override fun render(state: BenchmarkState) {
        val running = state as? BenchmarkState.Running
        // A phone that dims its screen also slows its cores down.
        window.setFlags(
            if (running != null) WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON else 0,
            WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON,
        )
        val ready = model.ready
        if (ready != null && artifacts.childCount == 0) {
            artifacts.choices(ready.artifacts.map { "${it.target} ${it.scheme}" })
            artifacts.choose(restored?.getInt(ARTIFACT) ?: 0)
        }
        findViewById<View>(R.id.working).shown(state is BenchmarkState.Loading)
        findViewById<View>(R.id.choices).shown(ready != null)
        findViewById<View>(R.id.failure).shown(state is BenchmarkState.Failed)
        if (state is BenchmarkState.Failed) findViewById<TextView>(R.id.failure_words).text = state.words
        findViewById<TextView>(R.id.run).setText(if (running != null) R.string.stop else R.string.run)
        findViewById<View>(R.id.progress).shown(running != null)
        findViewById<ProgressBar>(R.id.progress).apply {
            max = running?.of ?: 1
            progress = running?.done ?: 0
        }
        findViewById<View>(R.id.share).shown(running == null && !ready?.results.isNullOrEmpty())
        draw(ready?.results.orEmpty())
    }

    /** Only what is new: drawing takes time from what is being timed. */
    private fun draw(results: List<BenchmarkResult>) {
        if (results == drawn) return
        drawn = results
        val list = findViewById<LinearLayout>(R.id.results).apply { removeAllViews() }
        results.forEach { list.result(it) }
    }

    private fun run() {
        if (model.state is BenchmarkState.Running) return model.stop()
        val ready = model.ready ?: return
        model.start(
            Plan(ready.artifacts[artifacts.chosen], threads.text().toInt(), BenchmarkModel.WARMUP, runs.text().toInt()),
        )
    }

    private fun share() {
        val json = model.json() ?: return
        try {
            SharedFiles.place(this, SharedFiles.RESULTS).apply { parentFile?.mkdirs() }.writeText(json)
        } catch (error: IOException) {
            return model.say(getString(R.string.cannot_write, error.message.orEmpty()))
        }
        val uri = SharedFiles.uri(this, SharedFiles.RESULTS)
        val send = Intent(Intent.ACTION_SEND)
            .setType("application/json")
            .putExtra(Intent.EXTRA_SUBJECT, SharedFiles.RESULTS)
            .putExtra(Intent.EXTRA_TEXT, json)
            .putExtra(Intent.EXTRA_STREAM, uri)
            .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        // The chooser passes on a permission only for what stands in the clip.
        send.clipData = ClipData.newRawUri(SharedFiles.RESULTS, uri)
        startActivity(Intent.createChooser(send, getString(R.string.share)))
    }

    private fun LinearLayout.result(result: BenchmarkResult) {
        val card = layoutInflater.inflate(R.layout.result_card, this, false)
        card.findViewById<TextView>(R.id.title).text = getString(
            R.string.result_title,
            result.artifact.target,
            result.artifact.scheme,
            resources.getQuantityString(R.plurals.thread_count, result.threads, result.threads),
        )
        card.findViewById<TextView>(R.id.median).text = milliseconds(result.medianMs)
        card.findViewById<TextView>(R.id.p90).text = milliseconds(result.p90Ms)
        card.findViewById<TextView>(R.id.minimum).text = milliseconds(result.minMs)
        card.findViewById<TextView>(R.id.load).text = milliseconds(result.loadMs)
        card.findViewById<View>(R.id.memory_column).shown(result.peakMemoryBytes != null)
        result.peakMemoryBytes?.let { card.findViewById<TextView>(R.id.memory).text = megabytes(it) }
        card.findViewById<TextView>(R.id.words).text =
            getString(R.string.result_words, result.nanoseconds.size, result.warmup, milliseconds(result.iqrMs))
        addView(card)
    }

    private fun RadioGroup.choices(names: List<String>) = names.forEach { name ->
        val button = layoutInflater.inflate(R.layout.choice, this, false) as RadioButton
        button.text = name
        button.id = View.generateViewId()
        // The place in the group is what is kept: a generated id may be another button's after a rotation.
        button.isSaveEnabled = false
        addView(button)
    }

    private fun RadioGroup.choose(index: Int) = check(getChildAt(index.coerceIn(0, childCount - 1)).id)

    private val RadioGroup.chosen: Int get() = maxOf(0, indexOfChild(findViewById(checkedRadioButtonId)))

    private fun RadioGroup.text(): String = (getChildAt(chosen) as RadioButton).text.toString()

    private companion object {
        const val ARTIFACT = "artifact"
        const val THREADS = "threads"
        const val RUNS = "runs"
    }
}

private fun Context.thisDevice(): Device {
    val memory = ActivityManager.MemoryInfo().also { getSystemService(ActivityManager::class.java).getMemoryInfo(it) }
    return Device(
        maker = Build.MANUFACTURER,
        model = Build.MODEL,
        system = "Android",
        systemVersion = Build.VERSION.RELEASE,
        processor = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}" else Build.HARDWARE,
        cores = java.lang.Runtime.getRuntime().availableProcessors(),
        memoryBytes = memory.totalMem,
    )
}

private fun Context.versionName(): String = packageManager.getPackageInfo(packageName, 0).versionName.orEmpty()
