package dev.mobilekit.demo

import android.app.Activity
import android.content.Intent
import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView
import dev.mobilekit.AudioSpec
import dev.mobilekit.ImageSpec

/** What the check at the start found. */
sealed interface HomeState {
    data object Checking : HomeState

    data class Checked(val bundles: List<Embedded>, val selected: String?) : HomeState {
        val ready: Embedded.Ready? get() = bundles.filterIsInstance<Embedded.Ready>().firstOrNull { it.name == selected }
    }

    data class Failed(val words: String) : HomeState
}

class HomeModel(private val services: Services) : ScreenModel<HomeState>(HomeState.Checking) {
    init {
        work {
            val found = services.check.all()
            val ready = found.filterIsInstance<Embedded.Ready>()
            services.models.keepOnly(ready.flatMap { it.artifacts })
            show(HomeState.Checked(found, ready.firstOrNull()?.name))
        }
    }

    fun select(name: String) {
        val now = state as? HomeState.Checked ?: return
        show(now.copy(selected = name))
    }

    override fun failed(words: String) = HomeState.Failed(words)
}

/** The first screen: which bundles are embedded, whether they can run, and what can be tried with the chosen one. */
class HomeActivity : Screen<HomeState, HomeModel>(R.layout.home) {
    override fun create() = HomeModel(services)

    override fun prepare() = Unit

    override fun render(state: HomeState) {
        val bundles = findViewById<LinearLayout>(R.id.bundles).apply { removeAllViews() }
        val actions = findViewById<LinearLayout>(R.id.actions).apply { removeAllViews() }
        findViewById<View>(R.id.checking).shown(state is HomeState.Checking)
        val none = state is HomeState.Checked && state.bundles.isEmpty()
        findViewById<View>(R.id.no_bundle).shown(none)
        findViewById<View>(R.id.bundles_title).shown(state is HomeState.Checked && !none)
        if (state is HomeState.Failed) bundles.card(R.drawable.banner_bad, R.drawable.ic_warning, R.color.bad, state.words, "")
        if (state !is HomeState.Checked) return
        for (bundle in state.bundles) {
            when (bundle) {
                is Embedded.Ready -> bundles.ready(bundle, bundle.name == state.selected)
                is Embedded.Refused -> bundles.refused(bundle)
            }
        }
        val chosen = state.ready
        findViewById<View>(R.id.actions_title).shown(chosen != null)
        chosen?.let { actions.actionsFor(it) }
    }

    private fun LinearLayout.ready(found: Embedded.Ready, selected: Boolean) {
        val manifest = found.bundle.manifest
        val details = listOf(
            getString(if (manifest.preprocess is AudioSpec) R.string.hears_words else R.string.sees_pictures),
            found.artifacts.joinToString { it.scheme },
            megabytes(found.artifact.bytes),
        ).joinToString(" · ")
        val warnings = (manifest.warnings + found.problems.map { it.message }).joinToString("\n")
        val words = if (warnings.isEmpty()) details else "$details\n$warnings"
        val card = card(
            if (selected) R.drawable.banner_neutral else R.drawable.card,
            R.drawable.ic_check,
            R.color.good,
            manifest.model.name,
            words,
        )
        card.isSelected = selected
        card.contentDescription = getString(R.string.bundle_ready, manifest.model.name, words)
        card.setOnClickListener { model.select(found.name) }
    }

    private fun LinearLayout.refused(found: Embedded.Refused) {
        val words = found.problems.joinToString("\n\n") { listOfNotNull(it.message, it.hint).joinToString("\n") }
        card(R.drawable.banner_bad, R.drawable.ic_warning, R.color.bad, getString(R.string.cannot_run, found.name), words)
    }

    private fun LinearLayout.card(background: Int, icon: Int, tint: Int, title: String, words: String): View {
        val card = layoutInflater.inflate(R.layout.bundle_card, this, false)
        card.setBackgroundResource(background)
        card.findViewById<ImageView>(R.id.icon).apply {
            setImageResource(icon)
            imageTintList = getColorStateList(tint)
        }
        card.findViewById<TextView>(R.id.title).text = title
        card.findViewById<TextView>(R.id.words).apply { shown(words.isNotEmpty()) }.text = words
        addView(card)
        return card
    }

    private fun LinearLayout.actionsFor(chosen: Embedded.Ready) {
        val manifest = chosen.bundle.manifest
        if (manifest.preprocess is ImageSpec) {
            action(chosen, R.drawable.ic_photo, R.string.photo, R.string.photo_about, PhotoActivity::class.java)
            action(chosen, R.drawable.ic_camera, R.string.camera, R.string.camera_about, CameraActivity::class.java)
        }
        if (manifest.preprocess is AudioSpec && manifest.stream != null) {
            action(chosen, R.drawable.ic_microphone, R.string.keyword, R.string.keyword_about, KeywordActivity::class.java)
        }
        action(chosen, R.drawable.ic_golden, R.string.golden, R.string.golden_about, GoldenActivity::class.java)
        action(chosen, R.drawable.ic_speed, R.string.benchmark, R.string.benchmark_about, BenchmarkActivity::class.java)
    }

    private fun LinearLayout.action(chosen: Embedded.Ready, icon: Int, title: Int, about: Int, screen: Class<out Activity>) {
        val card = layoutInflater.inflate(R.layout.action_card, this, false)
        card.findViewById<ImageView>(R.id.icon).setImageResource(icon)
        card.findViewById<TextView>(R.id.title).setText(title)
        card.findViewById<TextView>(R.id.words).setText(about)
        card.setOnClickListener { startActivity(Intent(this@HomeActivity, screen).putExtra(EXTRA_BUNDLE, chosen.name)) }
        addView(card)
    }
}
