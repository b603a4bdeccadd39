// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "MobileKitRuntime",
    platforms: [.iOS(.v17), .macOS(.v13)],
    products: [
        .library(name: "MobileKitRuntime", targets: ["MobileKitRuntime"]),
    ],
    targets: [
        .target(name: "MobileKitRuntime"),
        .testTarget(
            name: "MobileKitRuntimeTests",
            dependencies: ["MobileKitRuntime"],
            resources: [.copy("Fixtures")]
        ),
    ]
)
