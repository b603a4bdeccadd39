/// HomeView: what the bundle holds, and the screens that it can be used on.
import MobileKitRuntime
import SwiftUI

@MainActor
struct HomeView<Header: View>: View {
    let opened: OpenBundle
    @ViewBuilder let header: () -> Header

    private var manifest: Manifest { opened.bundle.manifest }

    var body: some View {
        List {
            header()
            Section("Model") {
                row("Name", manifest.model.name)
                row("Made", manifest.created)
                ForEach(opened.offers) { offer in
                    row(offer.isCoreML ? "Core ML" : "ExecuTorch", offer.name)
                }
                if !manifest.model.trained {
                    Label("Random weights: its answers mean nothing", systemImage: "dice")
                }
            }
            Section("Try it") {
                screens
            }
            if !opened.problems.isEmpty {
                ProblemSection(problems: opened.problems)
            }
            if !manifest.warnings.isEmpty {
                Section("Worth knowing") {
                    ForEach(manifest.warnings, id: \.self) { warning in
                        Text(verbatim: warning).font(.footnote)
                    }
                }
            }
        }
    }

    @ViewBuilder private var screens: some View {
        switch manifest.preprocess {
        case .image?:
            NavigationLink {
                PhotoScreen(opened: opened)
            } label: {
                Label("Photo", systemImage: "photo")
            }
            NavigationLink {
                LiveCameraScreen(opened: opened)
            } label: {
                Label("Live camera", systemImage: "camera.viewfinder")
            }
        case .audio?:
            NavigationLink {
                SpeechScreen(opened: opened)
            } label: {
                Label("Listen for words", systemImage: "waveform")
            }
        case nil:
            Text("This bundle says nothing about pictures or sound, so only measuring and checking make sense.")
        }
        NavigationLink {
            BenchmarkScreen(opened: opened)
        } label: {
            Label("Benchmark", systemImage: "stopwatch")
        }
        NavigationLink {
            GoldenScreen(opened: opened)
        } label: {
            Label("Golden samples", systemImage: "checkmark.seal")
        }
    }

    private func row(_ title: LocalizedStringKey, _ value: String) -> some View {
        LabeledContent {
            Text(verbatim: value)
        } label: {
            Text(title)
        }
    }
}
