/// LiveCameraScreen: what the camera sees, classified as fast as the model goes. Stops when it is left.
import MobileKitRuntime
import Observation
import SwiftUI

@MainActor
@Observable
final class LiveCameraModel {
    enum State {
        case starting
        case running(Answer?)
        case denied
        case failed(String)
    }

    private(set) var state = State.starting
    /// Made when the screen is used: SwiftUI makes the screen, and this model, as soon as it shows the link to it.
    @ObservationIgnored private(set) lazy var feed = CameraFeed()

    /// Runs until the task that called it is cancelled: the screen's own.
    func run(_ offer: Offer, of bundle: ModelBundle) async {
        guard await CameraFeed.isAllowed() else {
            state = .denied
            return
        }
        let engine = Engine(offer, of: bundle)
        do {
            let (id, frames) = try await feed.start()
            defer { feed.stop(id) }
            state = .running(nil)
            for await pixels in frames {
                try Task.checkCancellation()
                state = .running(try await engine.classify(pixels))
            }
        } catch is CancellationError {
            return
        } catch {
            state = .failed(words(for: error))
        }
    }
}

@MainActor
struct LiveCameraScreen: View {
    let opened: OpenBundle
    @State private var model = LiveCameraModel()
    @State private var chosen = ""

    var body: some View {
        content
            .navigationTitle("Live camera")
            .navigationBarTitleDisplayMode(.inline)
            .toolbar {
                ArtifactPicker(opened: opened, chosen: $chosen)
            }
            .task(id: chosen) {
                guard let offer = opened.usable.first(where: { $0.id == chosen }) else {
                    chosen = opened.usable.first?.id ?? ""
                    return
                }
                await model.run(offer, of: opened.bundle)
            }
    }

    @ViewBuilder private var content: some View {
        switch model.state {
        case .starting:
            ProgressView("Starting the camera")
        case .denied:
            DeniedView(title: "The camera is not allowed", systemImage: "camera")
        case .failed(let message):
            FailureView(message: message).padding()
        case .running(let answer):
            CameraPreview(feed: model.feed)
                .ignoresSafeArea(edges: .bottom)
                .accessibilityLabel(Text("What the camera sees"))
                .overlay(alignment: .bottom) {
                    if let answer {
                        panel(answer)
                    }
                }
        }
    }

    private func panel(_ answer: Answer) -> some View {
        VStack(alignment: .leading, spacing: 8) {
            ScoreList(scores: Array(answer.scores.prefix(3)))
            Text("Preprocessing \(milliseconds(answer.preprocessMs)), model \(milliseconds(answer.modelMs))")
                .font(.caption)
                .foregroundStyle(.secondary)
        }
        .padding()
        .background(.regularMaterial, in: RoundedRectangle(cornerRadius: 16))
        .padding()
    }
}
