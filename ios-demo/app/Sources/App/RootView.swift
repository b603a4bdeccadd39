/// RootView: one view for each state of the app.
import MobileKitRuntime
import SwiftUI

@MainActor
struct RootView: View {
    @State private var model = AppModel()

    var body: some View {
        NavigationStack {
            content
                .navigationTitle("MobileKit")
        }
        .task { await model.start() }
    }

    @ViewBuilder private var content: some View {
        switch model.state {
        case .opening:
            ProgressView("Checking the bundle")
        case .noBundle:
            NoBundleView()
        case .refused(let name, let problems):
            List {
                bundlePicker(selected: name)
                ProblemSection(problems: problems)
            }
        case .ready(let opened):
            HomeView(opened: opened) {
                bundlePicker(selected: opened.name)
            }
        }
    }

    @ViewBuilder private func bundlePicker(selected: String) -> some View {
        if model.names.count > 1 {
            Picker("Bundle", selection: Binding(get: { selected }, set: { name in Task { await model.open(name) } })) {
                ForEach(model.names, id: \.self) { name in
                    Text(verbatim: name).tag(name)
                }
            }
        }
    }
}

/// How to get a bundle into the app.
@MainActor
private struct NoBundleView: View {
    var body: some View {
        ContentUnavailableView {
            Label("No bundle in this app", systemImage: "shippingbox")
        } description: {
            Text("Put one in, then build the app again:")
            Text(verbatim: "mobilekit embed BUNDLE ios-demo/app")
                .font(.callout.monospaced())
                .textSelection(.enabled)
        }
    }
}

/// What is in the way, and what helps.
@MainActor
struct ProblemSection: View {
    let problems: [Problem]

    var body: some View {
        Section("This does not work yet") {
            ForEach(problems, id: \.self) { problem in
                VStack(alignment: .leading, spacing: 4) {
                    Label {
                        Text(verbatim: problem.message)
                    } icon: {
                        Image(systemName: "exclamationmark.triangle.fill").foregroundStyle(.orange)
                    }
                    if let hint = problem.hint {
                        Text(verbatim: hint)
                            .font(.footnote)
                            .foregroundStyle(.secondary)
                    }
                }
                .accessibilityElement(children: .combine)
            }
        }
    }
}
