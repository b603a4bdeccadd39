// swift-tools-version:5.9
// Declarations: the app's sources compiled against declarations of the frameworks that Linux lacks. Runs nothing, and
// no app links it: `make swift-test` builds it, and what the compiler says of the app is all that it is for.
import PackageDescription

// On which of the others each framework's declarations stand, as its own headers import them.
let frameworks: [String: [String]] = [
    "FoundationAdditions": [],
    "CoreGraphics": ["FoundationAdditions"],
    "ImageIO": ["CoreGraphics"],
    "Accelerate": ["CoreGraphics"],
    "QuartzCore": ["CoreGraphics"],
    "AVFoundation": ["QuartzCore"],
    "UIKit": ["QuartzCore"],
    "SwiftUI": ["UIKit"],
    "PhotosUI": ["SwiftUI"],
    "CoreML": [],
    "ExecuTorch": [],
]

let package = Package(
    name: "Declarations",
    dependencies: [.package(path: "../MobileKitRuntime")],
    targets: frameworks.sorted { $0.key < $1.key }.map { name, others in
        .target(
            name: name,
            dependencies: others.map { .init(stringLiteral: $0) },
            // As with Apple's own, a `switch` over an enum of theirs has to be ready for cases that come later.
            swiftSettings: [.unsafeFlags(["-enable-library-evolution", "-suppress-warnings"])]
        )
    } + [
        .target(
            name: "MobileKitDemo",
            dependencies: [.product(name: "MobileKitRuntime", package: "MobileKitRuntime")]
                + frameworks.keys.sorted().map { .init(stringLiteral: $0) },
            path: "App",  // a link to ../app/Sources: SwiftPM takes no path that leaves the package
            swiftSettings: [
                .unsafeFlags(["-warnings-as-errors", "-strict-concurrency=complete"]),
                // Who imports Foundation on Apple's systems has these with it.
                .unsafeFlags(["-Xfrontend", "-import-module", "-Xfrontend", "FoundationAdditions"]),
            ]
        ),
    ]
)
