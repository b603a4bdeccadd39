package dev.mobilekit.demo

import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView
import dev.mobilekit.Artifact
import dev.mobilekit.GoldenCheck
import dev.mobilekit.Stage
import dev.mobilekit.StageResult

/** Whether this phone computes what the desk computed. */
sealed interface GoldenState {
    data object Running : GoldenState

    data class Done(val artifact: Artifact, val results: List<StageResult>) : GoldenState {
        val passed: Boolean get() = GoldenCheck.passed(results)
    }

    data class Failed(val words: String) : GoldenState
}

class GoldenModel(private val services: Services, private val name: String) : ScreenModel<GoldenState>(GoldenState.Running) {
    init {
        run()
    }

    fun run() {
        show(GoldenState.Running)
        work {
            val ready = services.ready(name)
            services.load(ready.bundle, ready.artifact).use { runner ->
                val results = GoldenCheck.run(ready.bundle, ready.artifact, runner, Photo::decode) { !closed }
                show(GoldenState.Done(ready.artifact, results))
            }
        }
    }

    override fun failed(words: String) = GoldenState.Failed(words)
}

/** Runs the bundle's golden samples on this phone and shows each stage's distance, tolerance, and whether it passed. */
class GoldenActivity : Screen<GoldenState, GoldenModel>(R.layout.golden) {
    override fun create() = GoldenModel(services, bundleName)

    override fun prepare() = findViewById<View>(R.id.again).setOnClickListener { model.run() }

    override fun render(state: GoldenState) {
        findViewById<View>(R.id.working).shown(state is GoldenState.Running)
        findViewById<View>(R.id.again).isEnabled = state !is GoldenState.Running
        findViewById<View>(R.id.failure).shown(state is GoldenState.Failed)
        if (state is GoldenState.Failed) findViewById<TextView>(R.id.failure_words).text = state.words
        val done = state as? GoldenState.Done
        findViewById<View>(R.id.verdict).shown(done != null)
        val rows = findViewById<LinearLayout>(R.id.rows).apply { removeAllViews() }
        if (done == null) return
        verdict(done)
        for ((sample, results) in done.results.groupBy { it.sample }) rows.sample(sample, results)
    }

    private fun verdict(done: GoldenState.Done) {
        val failed = done.results.count { !it.passed }
        val (background, title) = when {
            // Embedded without golden samples, as a release may be.
            done.results.isEmpty() -> R.drawable.banner_neutral to R.string.golden_nothing
            done.passed -> R.drawable.banner_good to R.string.golden_passed
            else -> R.drawable.banner_bad to R.string.golden_failed
        }
        findViewById<View>(R.id.verdict).setBackgroundResource(background)
        findViewById<ImageView>(R.id.verdict_icon).apply { shown(done.results.isNotEmpty()) }.mark(done.passed)
        findViewById<TextView>(R.id.verdict_title).setText(title)
        findViewById<TextView>(R.id.verdict_words).text = when {
            done.results.isEmpty() -> getString(R.string.golden_none)
            done.passed -> getString(R.string.golden_passed_words, done.artifact.file)
            else -> resources.getQuantityString(R.plurals.golden_failed_words, failed, failed, done.results.size, done.artifact.file)
        }
    }

    private fun LinearLayout.sample(sample: String, results: List<StageResult>) {
        val card = layoutInflater.inflate(R.layout.sample_card, this, false)
        card.findViewById<TextView>(R.id.title).text = sample
        val stages = card.findViewById<LinearLayout>(R.id.stages)
        for (result in results) {
            val row = layoutInflater.inflate(R.layout.stage_row, stages, false)
            val name = getString(title(result.stage))
            val passed = getString(if (result.passed) R.string.passed else R.string.failed)
            row.findViewById<ImageView>(R.id.icon).mark(result.passed)
            row.findViewById<TextView>(R.id.title).text = name
            row.findViewById<TextView>(R.id.distance).text =
                getString(R.string.distance, distance(result.distance), distance(result.tolerance))
            row.findViewById<TextView>(R.id.words).text = result.detail
            row.contentDescription = getString(R.string.stage_row, name, passed, result.detail)
            stages.addView(row)
        }
        addView(card)
    }

    private fun ImageView.mark(passed: Boolean) {
        setImageResource(if (passed) R.drawable.ic_check else R.drawable.ic_cross)
        imageTintList = getColorStateList(if (passed) R.color.good else R.color.bad)
    }

    private fun title(stage: Stage) = when (stage) {
        Stage.DECODE -> R.string.stage_decode
        Stage.PREPROCESS -> R.string.stage_preprocess
        Stage.OUTPUTS -> R.string.stage_outputs
        Stage.LABEL -> R.string.stage_label
    }
}
