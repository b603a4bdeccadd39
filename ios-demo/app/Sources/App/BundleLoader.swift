/// BundleLoader: the bundles embedded in the app, opened and checked before any screen uses them: hashes, schema
/// version, runtime versions, backends, operators. Never crashes over a bundle: what is wrong becomes words.
import Foundation
import MobileKitRuntime

/// An artifact in the bundle, the runtime for it, and what is in the way.
struct Offer: Identifiable, Sendable {
    let artifact: Artifact
    let runtime: any Runtime
    let problems: [Problem]

    var id: String { artifact.file }
    var name: String { "\(artifact.target) \(artifact.scheme)" }
    var isCoreML: Bool { artifact.runtime == "coreml" }
}

/// A bundle that can be used: at least one artifact of it loads here.
struct OpenBundle: Sendable {
    let name: String
    let bundle: ModelBundle
    let offers: [Offer]

    var usable: [Offer] { offers.filter { $0.problems.isEmpty } }
    var problems: [Problem] { offers.flatMap(\.problems) }
}

/// What came of opening.
enum Opened: Sendable {
    case usable(OpenBundle)
    case refused([Problem])
}

enum BundleLoader {
    static let folder = "mobilekit"

    static var runtimes: [any Runtime] { [ExecuTorchRuntime(), CoreMLRuntime()] }

    /// The embedded bundles by name: folders below `mobilekit/` in the app that hold a bundle.json.
    static func names() -> [String] {
        guard let root else { return [] }
        let found = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return found
            .filter { FolderFiles(root.appendingPathComponent($0)).exists(ModelBundle.manifestFile) }
            .sorted()
    }

    /// Opens and checks a bundle. Reads every file of it, so it runs off the main actor.
    static func open(_ name: String) async -> Opened {
        guard let root else {
            return .refused([Problem("\(name): the app has no resources")])
        }
        do {
            let bundle = try ModelBundle.open(FolderFiles(root.appendingPathComponent(name)))
            let opened = OpenBundle(name: name, bundle: bundle, offers: offers(in: bundle))
            if !opened.usable.isEmpty {
                return .usable(opened)
            }
            guard opened.offers.isEmpty else { return .refused(opened.problems) }
            return .refused([
                Problem(
                    "\(name): holds no artifact for ExecuTorch or Core ML",
                    hint: "mobilekit export MODEL -t xnnpack -t coreml, then mobilekit embed"
                ),
            ])
        } catch let error as any MobileKitError {
            return .refused([Problem(error.message, hint: error.hint)])
        } catch {
            return .refused([Problem("\(name): \(error.localizedDescription)")])
        }
    }

    private static var root: URL? {
        Bundle.main.resourceURL?.appendingPathComponent(folder, isDirectory: true)
    }

    private static func offers(in bundle: ModelBundle) -> [Offer] {
        var offers: [Offer] = []
        for runtime in runtimes {
            for artifact in bundle.artifacts(for: [runtime.name]) {
                let problems = requirements(artifact, runtime: runtime) + trial(artifact, in: bundle, runtime: runtime)
                offers.append(Offer(artifact: artifact, runtime: runtime, problems: problems))
            }
        }
        return offers
    }

    /// Loads the artifact once: the runtime itself is the last to say whether an operator or a backend is missing.
    private static func trial(_ artifact: Artifact, in bundle: ModelBundle, runtime: any Runtime) -> [Problem] {
        guard requirements(artifact, runtime: runtime).isEmpty else { return [] }
        do {
            _ = try runtime.load(artifact, at: try bundle.files.place(artifact.file))
            return []
        } catch let error as any MobileKitError {
            return [Problem(error.message, hint: error.hint)]
        } catch {
            return [Problem("\(artifact.file): \(error.localizedDescription)")]
        }
    }
}

/// What a screen shows of an error.
func words(for error: any Error) -> String {
    (error as? any MobileKitError)?.description ?? error.localizedDescription
}
