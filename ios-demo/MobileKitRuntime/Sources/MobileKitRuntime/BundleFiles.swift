/// BundleFiles: where a bundle lies. Paths are those of bundle.json: relative, with `/`. Refuses symbolic links and
/// paths that leave the bundle: what lies outside is nobody's promise.
import Foundation

/// A place that holds a bundle's files: a folder, an app's resources.
public protocol BundleFiles: Sendable {
    /// What errors call this place.
    var name: String { get }

    /// The bytes of a file. Throws `BundleError` where there is none, or it cannot be read.
    func open(_ path: String) throws -> Data

    /// The files below a folder, relative to it, in any order; nil where `path` is no folder.
    func below(_ path: String) throws -> [String]?

    /// Whether there is a file or a folder at `path`.
    func exists(_ path: String) -> Bool

    /// Where the file or folder lies, for runtimes that load by path.
    func place(_ path: String) throws -> URL
}

/// A bundle in a folder of the file system.
public struct FolderFiles: BundleFiles {
    public let root: URL
    public var name: String { root.lastPathComponent }

    public init(_ root: URL) {
        self.root = root
    }

    public func open(_ path: String) throws -> Data {
        let url = try place(path)
        do {
            return try Data(contentsOf: url, options: [.mappedIfSafe])
        } catch {
            throw BundleError(
                "\(name)/\(path): cannot be read: \(error.localizedDescription)",
                hint: "embed the bundle again"
            )
        }
    }

    public func below(_ path: String) throws -> [String]? {
        let url = try place(path)
        guard isFolder(url) else { return nil }
        var found: [String] = []
        try collect(url, prefix: "", into: &found)
        return found
    }

    public func exists(_ path: String) -> Bool {
        guard let url = try? place(path) else { return false }
        return FileManager.default.fileExists(atPath: url.path)
    }

    public func place(_ path: String) throws -> URL {
        guard FolderFiles.isRelative(path) else {
            throw BundleError("\(name): \(path) is not a path inside the bundle")
        }
        var url = root
        for part in path.split(separator: "/") {
            url.appendPathComponent(String(part))
            if isLink(url) {
                throw BundleError("\(name)/\(path): is a link; a bundle holds plain files only")
            }
        }
        return url
    }

    /// The contract's rule for paths: letters, digits, `.`, `_` and `-`; no part is empty or starts with a dot.
    static func isRelative(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return parts.allSatisfy { part in
            guard let first = part.first, first != ".", first != "-" else { return false }
            return part.utf8.allSatisfy { isAllowed($0) }
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): return true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return true
        case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): return true
        default: return false
        }
    }

    private func isFolder(_ url: URL) -> Bool {
        var folder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &folder) && folder.boolValue
    }

    private func isLink(_ url: URL) -> Bool {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: url.path)) != nil
    }

    private func collect(_ folder: URL, prefix: String, into found: inout [String]) throws {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        } catch {
            throw BundleError("\(name)/\(prefix): cannot be listed: \(error.localizedDescription)")
        }
        for entry in names {
            let url = folder.appendingPathComponent(entry)
            if isLink(url) {
                throw BundleError("\(name)/\(prefix)\(entry): is a link; a bundle holds plain files only")
            }
            if isFolder(url) {
                try collect(url, prefix: "\(prefix)\(entry)/", into: &found)
            } else {
                found.append(prefix + entry)
            }
        }
    }
}
