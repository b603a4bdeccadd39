/// ModelBundle: a bundle that was opened, and held against its hashes. Named so because Foundation has a `Bundle`.
/// Refuses a missing, changed or linked file, and another schema version, in words for people.
///
/// What an app carries is a part of what was exported: artifacts of other runtimes, reports and the whole form of a
/// streaming model stay at home. So artifacts and golden outputs may be absent, but nothing may be changed.
import Foundation

public struct ModelBundle: Sendable {
    public static let manifestFile = "bundle.json"

    public let files: any BundleFiles
    public let manifest: Manifest
    /// Of bundle.json: which bundle this is, in the results of a phone.
    public let sha256: String
    /// Names of the classes; nil where the bundle has none.
    public let labels: Labels?

    /// Reads bundle.json and the labels; with `check`, reads every listed file that is there and compares its hash.
    public static func open(_ files: any BundleFiles, check: Bool = true) throws -> ModelBundle {
        guard files.exists(manifestFile) else {
            throw BundleError(
                "\(files.name): holds no \(manifestFile), so it is not a bundle",
                hint: "mobilekit embed BUNDLE APP puts one there"
            )
        }
        let data = try files.open(manifestFile)
        let manifest = try Manifest.decode(data, name: "\(files.name)/\(manifestFile)")
        if check {
            try ModelBundle.check(manifest, in: files)
        }
        var labels: Labels?
        if let entry = manifest.labels {
            labels = try Labels(data: try files.open(entry.file), name: "\(files.name)/\(entry.file)")
        }
        return ModelBundle(files: files, manifest: manifest, sha256: Sha256.hex(of: data), labels: labels)
    }

    /// The artifacts that lie here and are meant for a phone, those of `runtimes` (all of them when nil).
    public func artifacts(for runtimes: Set<String>? = nil) -> [Artifact] {
        manifest.artifacts.filter { artifact in
            artifact.ship && files.exists(artifact.file) && (runtimes?.contains(artifact.runtime) ?? true)
        }
    }

    /// A golden tensor, read and held against its size.
    public func golden(_ entry: GoldenTensor) throws -> Tensor {
        let data = try files.open(entry.file)
        do {
            return try Tensor(name: entry.name, dtype: entry.dtype, shape: entry.shape, data: data)
        } catch let error as InputError {
            throw BundleError("\(files.name)/\(entry.file): \(error.message)", hint: "embed the bundle again")
        }
    }

    // MARK: - Integrity

    private static func check(_ manifest: Manifest, in files: any BundleFiles) throws {
        var problems: [String] = []
        var seen: Set<String> = []
        for (entry, needed) in listed(in: manifest) where seen.insert(entry.file).inserted {
            if !files.exists(entry.file) {
                if needed { problems.append("\(entry.file): missing") }
            } else if let problem = try mismatch(entry, in: files) {
                problems.append(problem)
            }
        }
        guard problems.isEmpty else {
            let shown = problems.prefix(5).joined(separator: "\n")
            let more = problems.count > 5 ? "\n… \(problems.count - 5) more" : ""
            throw BundleError(
                "\(files.name): does not match its bundle.json\n\(shown)\(more)",
                hint: "embed the bundle again; its figures hold only for the files it lists"
            )
        }
    }

    /// Every file that an app may carry, and whether it must.
    private static func listed(in manifest: Manifest) -> [(FileEntry, Bool)] {
        var entries: [(FileEntry, Bool)] = manifest.artifacts.map { ($0.entry, false) }
        if let labels = manifest.labels {
            entries.append((labels, true))
        }
        for sample in manifest.golden {
            if let encoded = sample.encoded { entries.append((encoded, true)) }
            if let pixels = sample.pixels { entries.append((pixels.entry, true)) }
            if let waveform = sample.waveform { entries.append((waveform.entry, true)) }
            entries += sample.inputs.map { ($0.entry, true) }
            entries += sample.outputs.flatMap { output in output.outputs.map { ($0.entry, false) } }
        }
        return entries
    }

    /// How a file differs from its entry, in words; nil when it is the same.
    private static func mismatch(_ entry: FileEntry, in files: any BundleFiles) throws -> String? {
        let found: (bytes: Int, sha256: String)
        if let names = try files.below(entry.file) {
            found = try folderHash(entry.file, names: names, in: files)
        } else {
            let data = try files.open(entry.file)
            guard data.count == entry.bytes else {
                return "\(entry.file): has \(data.count) bytes, bundle.json says \(entry.bytes)"
            }
            found = (data.count, Sha256.hex(of: data))
        }
        guard found.bytes == entry.bytes else {
            return "\(entry.file): has \(found.bytes) bytes, bundle.json says \(entry.bytes)"
        }
        return found.sha256 == entry.sha256 ? nil : "\(entry.file): its content has changed (another SHA-256)"
    }

    /// The hash over a folder's sorted lines `<sha256>  <relative path>`.
    static func folderHash(_ folder: String, names: [String], in files: any BundleFiles) throws
        -> (bytes: Int, sha256: String)
    {
        var listing = ""
        var bytes = 0
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            let data = try files.open("\(folder)/\(name)")
            bytes += data.count
            listing += "\(Sha256.hex(of: data))  \(name)\n"
        }
        return (bytes, Sha256.hex(of: Data(listing.utf8)))
    }
}
