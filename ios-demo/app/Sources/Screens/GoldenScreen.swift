/// GoldenScreen: the bundle's golden samples on this device, stage by stage, pass or fail: whether the app sees what
/// training saw.
import MobileKitRuntime
import Observation
import SwiftUI

@MainActor
@Observable
final class GoldenModel {
    enum State {
        case idle
        case running
        case done(Verdict)
        case failed(String)
    }

    enum Verdict {
        case same
        /// The bundle has no outputs of this artifact: it could not be run where it was exported.
        case sameBeforeTheModel
        case different
        /// The bundle has no golden samples.
        case nothing
    }

    private(set) var state = State.idle
    private(set) var results: [StageResult] = []

    /// Runs until it is done or the task that called it is cancelled.
    func run(_ offer: Offer, of bundle: ModelBundle) async {
        state = .running
        results = []
        let engine = Engine(offer, of: bundle)
        do {
            for sample in bundle.manifest.golden {
                try Task.checkCancellation()
                results += try await engine.golden(sample)
            }
            state = .done(verdict)
        } catch is CancellationError {
            state = .idle
        } catch {
            state = .failed(words(for: error))
        }
    }

    private var verdict: Verdict {
        if results.isEmpty { return .nothing }
        guard results.allSatisfy(\.passed) else { return .different }
        return results.contains { $0.stage == .outputs } ? .same : .sameBeforeTheModel
    }
}

@MainActor
struct GoldenScreen: View {
    let opened: OpenBundle
    @State private var model = GoldenModel()
    @State private var chosen = ""

    var body: some View {
        List {
            Section {
                ArtifactPicker(opened: opened, chosen: $chosen)
                verdict
            } footer: {
                Text("Each stage starts from the stored result of the one before it.")
            }
            ForEach(opened.bundle.manifest.golden, id: \.id) { sample in
                rows(of: sample.id)
            }
        }
        .navigationTitle("Golden samples")
        .task(id: chosen) {
            guard let offer = opened.usable.first(where: { $0.id == chosen }) else {
                chosen = opened.usable.first?.id ?? ""
                return
            }
            await model.run(offer, of: opened.bundle)
        }
    }

    @ViewBuilder private var verdict: some View {
        switch model.state {
        case .idle:
            EmptyView()
        case .running:
            ProgressView("Checking")
        case .done(.same):
            Label("This device gives what training saw", systemImage: "checkmark.seal.fill").foregroundStyle(.green)
        case .done(.sameBeforeTheModel):
            Label("Preprocessing is right; there are no outputs to compare", systemImage: "checkmark.seal")
        case .done(.different):
            Label("Something differs", systemImage: "xmark.seal.fill").foregroundStyle(.red)
        case .done(.nothing):
            Label("This bundle has no golden samples", systemImage: "questionmark.circle")
        case .failed(let message):
            FailureView(message: message)
        }
    }

    @ViewBuilder private func rows(of sample: String) -> some View {
        let results = model.results.filter { $0.sample == sample }
        if !results.isEmpty {
            Section {
                ForEach(results) { result in
                    StageRow(result: result)
                }
            } header: {
                Text(verbatim: sample)
            }
        }
    }
}

/// One stage of one sample.
@MainActor
private struct StageRow: View {
    let result: StageResult

    private var title: LocalizedStringKey {
        switch result.stage {
        case .decode: return "Decode"
        case .preprocess: return "Preprocess"
        case .outputs: return "Outputs"
        case .label: return "Label"
        }
    }

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            HStack {
                Image(systemName: result.passed ? "checkmark.circle.fill" : "xmark.circle.fill")
                    .foregroundStyle(result.passed ? .green : .red)
                    .accessibilityLabel(result.passed ? Text("passed") : Text("failed"))
                Text(title)
                Spacer()
                Text("\(number(result.distance)) of \(number(result.tolerance))")
                    .font(.footnote)
                    .monospacedDigit()
                    .foregroundStyle(.secondary)
            }
            if let detail = result.detail {
                Text(verbatim: detail)
                    .font(.footnote)
                    .foregroundStyle(.secondary)
            }
        }
        .accessibilityElement(children: .combine)
    }

    private func number(_ value: Double) -> String {
        value.formatted(.number.notation(.scientific).precision(.significantDigits(1...3)))
    }
}
