/// AppModel: which bundle is open, as one state that the screens read.
import Foundation
import MobileKitRuntime
import Observation

@MainActor
@Observable
final class AppModel {
    enum State {
        case opening
        case noBundle
        case refused(String, [Problem])
        case ready(OpenBundle)
    }

    private(set) var state = State.opening
    private(set) var names: [String] = []

    /// Opens the first embedded bundle; does nothing when one is open already.
    func start() async {
        guard case .opening = state else { return }
        names = BundleLoader.names()
        guard let first = names.first else {
            state = .noBundle
            return
        }
        await open(first)
    }

    func open(_ name: String) async {
        state = .opening
        switch await BundleLoader.open(name) {
        case .usable(let bundle): state = .ready(bundle)
        case .refused(let problems): state = .refused(name, problems)
        }
    }
}
