/// Parts: what several screens show: the choice of an artifact, classes with how sure the model is, an error, settings.
import MobileKitRuntime
import SwiftUI
import UIKit

/// Which of the bundle's artifacts a screen uses.
@MainActor
struct ArtifactPicker: View {
    let opened: OpenBundle
    @Binding var chosen: String

    var body: some View {
        Picker("Artifact", selection: $chosen) {
            ForEach(opened.usable) { offer in
                Text(verbatim: offer.name).tag(offer.id)
            }
        }
    }
}

/// Classes, the best first.
@MainActor
struct ScoreList: View {
    let scores: [Score]

    var body: some View {
        ForEach(scores) { score in
            VStack(alignment: .leading, spacing: 4) {
                HStack {
                    Text(verbatim: score.label)
                        .font(score.id == scores.first?.id ? .headline : .body)
                    Spacer()
                    Text(verbatim: percent(score))
                        .monospacedDigit()
                        .foregroundStyle(.secondary)
                }
                ProgressView(value: min(max(score.probability, 0), 1))
            }
            .accessibilityElement(children: .ignore)
            .accessibilityLabel(Text(verbatim: score.label))
            .accessibilityValue(Text(verbatim: percent(score)))
        }
    }

    private func percent(_ score: Score) -> String {
        score.probability.formatted(.percent.precision(.fractionLength(1)))
    }
}

/// Something that went wrong, in its own words.
@MainActor
struct FailureView: View {
    let message: String

    var body: some View {
        Label {
            Text(verbatim: message)
        } icon: {
            Image(systemName: "exclamationmark.triangle.fill").foregroundStyle(.orange)
        }
        .accessibilityElement(children: .combine)
    }
}

/// A permission that was denied, and the way to where it can be given.
@MainActor
struct DeniedView: View {
    let title: LocalizedStringKey
    let systemImage: String
    @Environment(\.openURL) private var openURL

    var body: some View {
        ContentUnavailableView {
            Label(title, systemImage: systemImage)
        } description: {
            Text("You can allow it in Settings.")
        } actions: {
            Button("Open Settings") {
                if let settings = URL(string: UIApplication.openSettingsURLString) {
                    openURL(settings)
                }
            }
        }
    }
}

/// Milliseconds for people.
func milliseconds(_ value: Double) -> String {
    value.formatted(.number.precision(.significantDigits(3))) + " ms"
}
