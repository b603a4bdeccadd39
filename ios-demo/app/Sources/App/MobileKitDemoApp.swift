/// MobileKitDemoApp: the app's entry. Everything it knows about a model comes from the bundle embedded in it.
import SwiftUI

@main
struct MobileKitDemoApp: App {
    var body: some Scene {
        WindowGroup {
            RootView()
        }
    }
}
