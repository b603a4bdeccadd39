/// BenchmarkReport: what a phone measured, as the JSON that `mobilekit bench --import` reads. Nothing is left out: what
/// was not measured is null.
import Foundation

public struct BenchmarkReport: Codable, Sendable, Equatable {
    public struct Device: Codable, Sendable, Equatable {
        public var maker: String
        public var model: String
        public var system: String
        public var systemVersion: String
        public var processor: String
        public var cores: Int
        public var memoryBytes: Int

        public init(
            maker: String, model: String, system: String, systemVersion: String, processor: String, cores: Int,
            memoryBytes: Int
        ) {
            self.maker = maker
            self.model = model
            self.system = system
            self.systemVersion = systemVersion
            self.processor = processor
            self.cores = cores
            self.memoryBytes = memoryBytes
        }

        private enum CodingKeys: String, CodingKey {
            case maker, model, system, processor, cores
            case systemVersion = "system_version"
            case memoryBytes = "memory_bytes"
        }
    }

    public struct App: Codable, Sendable, Equatable {
        public var runtime: String
        public var runtimeVersion: String
        public var appVersion: String

        public init(runtime: String, runtimeVersion: String, appVersion: String) {
            self.runtime = runtime
            self.runtimeVersion = runtimeVersion
            self.appVersion = appVersion
        }

        private enum CodingKeys: String, CodingKey {
            case runtime
            case runtimeVersion = "runtime_version"
            case appVersion = "app_version"
        }
    }

    public struct Source: Codable, Sendable, Equatable {
        public var model: String
        public var created: String
        public var bundleSha256: String

        public init(_ bundle: ModelBundle) {
            model = bundle.manifest.model.name
            created = bundle.manifest.created
            bundleSha256 = bundle.sha256
        }

        private enum CodingKeys: String, CodingKey {
            case model, created
            case bundleSha256 = "bundle_sha256"
        }
    }

    public var format = "mobilekit-device-bench"
    public var version = 1
    public var device: Device
    public var app: App
    public var bundle: Source
    public var results: [BenchmarkResult]
    /// In UTC: `2026-11-22T15:00:00Z`.
    public var taken: String

    public init(device: Device, app: App, bundle: Source, results: [BenchmarkResult], taken: Date) {
        self.device = device
        self.app = app
        self.bundle = bundle
        self.results = results
        self.taken = ISO8601DateFormatter().string(from: taken)
    }

    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

/// What was measured of one artifact.
public struct BenchmarkResult: Codable, Sendable, Equatable, Identifiable {
    public var target: String
    public var scheme: String
    public var file: String
    public var sha256: String
    /// How many the runtime may use; where it chooses itself, as many as there are cores.
    public var threads: Int
    public var batch: Int
    public var warmup: Int
    public var n: Int
    public var medianMs: Double
    public var p90Ms: Double
    public var minMs: Double
    public var iqrMs: Double
    public var loadMs: Double
    public var peakMemoryBytes: Int?

    public var id: String { file }

    public init(
        _ artifact: Artifact, timings: TimingSummary, threads: Int, warmup: Int, loadMs: Double,
        peakMemoryBytes: Int?
    ) {
        target = artifact.target
        scheme = artifact.scheme
        file = artifact.file
        sha256 = artifact.sha256
        self.threads = threads
        batch = 1
        self.warmup = warmup
        n = timings.n
        medianMs = timings.medianMs
        p90Ms = timings.p90Ms
        minMs = timings.minMs
        iqrMs = timings.iqrMs
        self.loadMs = loadMs
        self.peakMemoryBytes = peakMemoryBytes
    }

    private enum CodingKeys: String, CodingKey {
        case target, scheme, file, sha256, threads, batch, warmup, n
        case medianMs = "median_ms"
        case p90Ms = "p90_ms"
        case minMs = "min_ms"
        case iqrMs = "iqr_ms"
        case loadMs = "load_ms"
        case peakMemoryBytes = "peak_memory_bytes"
    }

    /// Written out, since a synthesized one leaves out what is nil instead of writing null.
    public func encode(to encoder: Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(target, forKey: .target)
        try container.encode(scheme, forKey: .scheme)
        try container.encode(file, forKey: .file)
        try container.encode(sha256, forKey: .sha256)
        try container.encode(threads, forKey: .threads)
        try container.encode(batch, forKey: .batch)
        try container.encode(warmup, forKey: .warmup)
        try container.encode(n, forKey: .n)
        try container.encode(medianMs, forKey: .medianMs)
        try container.encode(p90Ms, forKey: .p90Ms)
        try container.encode(minMs, forKey: .minMs)
        try container.encode(iqrMs, forKey: .iqrMs)
        try container.encode(loadMs, forKey: .loadMs)
        try container.encode(peakMemoryBytes, forKey: .peakMemoryBytes)
    }
}
