/// BenchmarkScreen: every artifact of the bundle on the same photo, one after the other: .pte beside .mlpackage.
/// Results are shared as the JSON that `mobilekit bench --import` reads.
import MobileKitRuntime
import Observation
import PhotosUI
import SwiftUI

@MainActor
@Observable
final class BenchmarkModel {
    enum State {
        case idle
        case running(String)
        case done(URL)
        case failed(String)
    }

    static let warmup = 5

    private(set) var state = State.idle
    private(set) var results: [BenchmarkResult] = []
    private var task: Task<Void, Never>?

    var isRunning: Bool {
        if case .running = state { return true }
        return false
    }

    func run(_ opened: OpenBundle, photo: Data?, runs: Int) {
        results = []
        task = Task {
            do {
                state = .running("")
                let pixels = try await BenchmarkModel.decoded(photo, opened)
                for offer in opened.usable {
                    state = .running(offer.name)
                    let engine = Engine(offer, of: opened.bundle)
                    results.append(try await engine.benchmark(pixels, warmup: BenchmarkModel.warmup, runs: runs))
                }
                state = .done(try write(opened))
            } catch is CancellationError {
                state = .idle
            } catch {
                state = .failed(words(for: error))
            }
        }
    }

    func stop() {
        task?.cancel()
    }

    /// The photo that was chosen, else the bundle's first golden one; nil where the model takes none.
    private nonisolated static func decoded(_ photo: Data?, _ opened: OpenBundle) async throws -> Pixels? {
        if let photo {
            return try ImageDecoder.pixels(photo, upright: opened.turnsPhotos)
        }
        guard let entry = opened.bundle.manifest.golden.first?.pixels else { return nil }
        let golden = try opened.bundle.golden(entry)
        guard golden.shape.count == 3 else { return nil }
        return try Pixels(
            width: golden.shape[1], height: golden.shape[0], channels: golden.shape[2], bytes: [UInt8](golden.data)
        )
    }

    private func write(_ opened: OpenBundle) throws -> URL {
        let report = BenchmarkReport(
            device: DeviceInfo.device,
            app: .init(
                runtime: "executorch", runtimeVersion: ExecuTorchRuntime.packageVersion,
                appVersion: DeviceInfo.appVersion
            ),
            bundle: .init(opened.bundle),
            results: results,
            taken: Date()
        )
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("\(opened.name).device-bench.json")
        try report.json().write(to: url, options: .atomic)
        return url
    }
}

@MainActor
struct BenchmarkScreen: View {
    let opened: OpenBundle
    @State private var model = BenchmarkModel()
    @State private var item: PhotosPickerItem?
    @State private var photo: Data?
    @State private var runs = 50

    private var takesPhotos: Bool {
        if case .image? = opened.bundle.manifest.preprocess { return true }
        return false
    }

    var body: some View {
        List {
            Section {
                if takesPhotos {
                    PhotosPicker(selection: $item, matching: .images) { [isChosen = photo != nil] in
                        Label(isChosen ? "Photo chosen" : "Choose a photo", systemImage: "photo.on.rectangle")
                    }
                    .disabled(model.isRunning)
                }
                Stepper(value: $runs, in: 10...500, step: 10) {
                    Text("Timed runs: \(runs.formatted())")
                }
                .disabled(model.isRunning)
                button
            } footer: {
                Text("Each artifact is loaded anew, warmed up with 5 runs, then timed. Only the model's call counts.")
            }
            ForEach(model.results) { result in
                ResultSection(result: result)
            }
            outcome
        }
        .navigationTitle("Benchmark")
        .onChange(of: item) { pick(item) }
        .onDisappear { model.stop() }
    }

    @ViewBuilder private var button: some View {
        if model.isRunning {
            Button("Stop", role: .cancel) { model.stop() }
        } else {
            Button("Start") { model.run(opened, photo: photo, runs: runs) }
        }
    }

    @ViewBuilder private var outcome: some View {
        switch model.state {
        case .idle:
            EmptyView()
        case .running(let name):
            HStack {
                ProgressView()
                Text(verbatim: name)
            }
        case .done(let url):
            ShareLink(item: url) {
                Label("Share the results", systemImage: "square.and.arrow.up")
            }
        case .failed(let message):
            FailureView(message: message)
        }
    }

    private func pick(_ item: PhotosPickerItem?) {
        guard let item else { return }
        Task {
            photo = try? await item.loadTransferable(type: Data.self)
        }
    }
}

/// What was measured of one artifact.
@MainActor
private struct ResultSection: View {
    let result: BenchmarkResult

    var body: some View {
        Section {
            LabeledContent("Median", value: milliseconds(result.medianMs))
            LabeledContent("90th percentile", value: milliseconds(result.p90Ms))
            LabeledContent("Fastest", value: milliseconds(result.minMs))
            LabeledContent("Loading", value: milliseconds(result.loadMs))
            if let bytes = result.peakMemoryBytes {
                LabeledContent("Memory", value: Int64(bytes).formatted(.byteCount(style: .memory)))
            }
        } header: {
            Text(verbatim: "\(result.target) \(result.scheme)")
        }
    }
}
