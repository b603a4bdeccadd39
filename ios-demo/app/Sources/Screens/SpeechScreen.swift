/// SpeechScreen: words from the microphone, by the streaming model as the sound comes. Stops when it is left.
import MobileKitRuntime
import Observation
import SwiftUI

@MainActor
@Observable
final class SpeechModel {
    enum State {
        case idle
        case listening(Heard?)
        case denied
        case failed(String)
    }

    /// From this probability on a clip's answer counts as a word.
    static let certain = 0.8

    private(set) var state = State.idle
    private(set) var words: [String] = []

    /// Listens until the task that called it is cancelled, or the microphone gives no more.
    func listen(_ offer: Offer, of bundle: ModelBundle) async {
        guard case .audio(let spec)? = bundle.manifest.preprocess else { return }
        guard await Microphone.isAllowed() else {
            state = .denied
            return
        }
        let engine = Engine(offer, of: bundle)
        let microphone = Microphone()
        do {
            try await engine.load()
            let samples = try microphone.start(sampleRate: spec.sampleRate)
            defer { microphone.stop() }
            state = .listening(nil)
            for await piece in samples {
                try Task.checkCancellation()
                guard let heard = try await engine.hear(piece) else { continue }
                state = .listening(heard)
                note(heard)
            }
            state = .idle
        } catch is CancellationError {
            state = .idle
        } catch {
            state = .failed(MobileKitDemo.words(for: error))
        }
    }

    private func note(_ heard: Heard) {
        guard heard.complete, let best = heard.scores.first, best.probability >= SpeechModel.certain else { return }
        words = Array(([best.label] + words).prefix(10))
    }
}

@MainActor
struct SpeechScreen: View {
    let opened: OpenBundle
    @State private var model = SpeechModel()
    @State private var chosen = ""
    @State private var listens = false

    var body: some View {
        List {
            Section {
                ArtifactPicker(opened: opened, chosen: $chosen)
                    .disabled(listens)
                Button {
                    listens.toggle()
                } label: {
                    Label(listens ? "Stop" : "Listen", systemImage: listens ? "stop.circle" : "mic.circle")
                }
            }
            content
        }
        .navigationTitle("Listen for words")
        .task(id: listens ? chosen : "") {
            guard listens, let offer = opened.usable.first(where: { $0.id == chosen }) else { return }
            await model.listen(offer, of: opened.bundle)
            if !Task.isCancelled { listens = false }  // it ended by itself: refused, failed, or the sound stopped
        }
        .onAppear {
            if chosen.isEmpty { chosen = opened.usable.first?.id ?? "" }
        }
        .onDisappear { listens = false }
    }

    @ViewBuilder private var content: some View {
        switch model.state {
        case .idle:
            Section {
                Text("Say one of the words that the model knows.").foregroundStyle(.secondary)
            }
        case .denied:
            DeniedView(title: "The microphone is not allowed", systemImage: "mic.slash")
        case .failed(let message):
            FailureView(message: message)
        case .listening(let heard):
            Section("Right now") {
                if let heard {
                    ScoreList(scores: Array(heard.scores.prefix(3)))
                } else {
                    ProgressView("Waiting for sound")
                }
            }
        }
        if !model.words.isEmpty {
            Section("Heard") {
                ForEach(Array(model.words.enumerated()), id: \.offset) { _, word in
                    Text(verbatim: word)
                }
            }
        }
    }
}
