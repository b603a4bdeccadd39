/// NativeRunner: ExecuTorch on this machine by mobilekit's own C++ runner, a process for each loaded .pte, spoken to by
/// its protocol (runners/protocol.py). What the app gets through ExecuTorch's Swift package on a phone, a test gets
/// through this, from the same file. `golden_bundles.py` builds the program and writes its path to `runner.path`.
import Foundation
import MobileKitRuntime

final class NativeRunner: ModelRunner {
    private struct Reply: Decodable {
        let kind: String
        let message: String?
        let tensors: Int?
    }

    private let process = Process()
    private let requests = Pipe()
    private let replies = Pipe()
    private let scratch: URL
    private let artifact: Artifact
    private var unread = Data()

    init(program: String, artifact: Artifact, at url: URL) throws {
        self.artifact = artifact
        scratch = FileManager.default.temporaryDirectory.appendingPathComponent("mobilekit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        try Data().write(to: inputs)
        try Data().write(to: outputs)
        // The program takes THREADS and five descriptors: requests, replies, lifeline, inputs, outputs.
        let script = "exec \"$0\" 1 3 4 - 5 6 3<&0 4>&1 5<\"$1\" 6<>\"$2\" 0</dev/null 1>&2 2>/dev/null"
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, program, inputs.path, outputs.path]
        process.standardInput = requests
        process.standardOutput = replies
        try process.run()
        _ = try expect("ready")
        try ask(["kind": "load", "artifact": url.path, "threads": 1])
        _ = try expect("loaded")
    }

    deinit {
        try? requests.fileHandleForWriting.close() // the end of its requests is where it ends
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: scratch)
    }

    func run(_ inputs: [Tensor]) throws -> [Tensor] {
        // In place: the program has the file open.
        let file = try FileHandle(forWritingTo: self.inputs)
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: inputs.reduce(into: Data()) { $0.append(Npy.record($1)) })
        try file.close()
        try ask(["kind": "run", "samples": 1, "tensors": inputs.count, "feed": NSNull()])
        let reply = try expect("ran")
        let answer = try Npy.tensors(in: try Data(contentsOf: outputs))
        guard reply.tensors == answer.count, answer.count == artifact.outputs.count else {
            throw RunnerError("\(artifact.file) gave \(answer.count) outputs")
        }
        return zip(answer, artifact.outputs).map { $0.named($1.name) }
    }

    private var inputs: URL { scratch.appendingPathComponent("in") }
    private var outputs: URL { scratch.appendingPathComponent("out") }

    private func ask(_ request: [String: Any]) throws {
        let line = try JSONSerialization.data(withJSONObject: request) + Data("\n".utf8)
        try requests.fileHandleForWriting.write(contentsOf: line)
    }

    private func expect(_ kind: String) throws -> Reply {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let reply = try JSONDecoder().decode(Reply.self, from: unread[..<end])
                unread = Data(unread[unread.index(after: end)...])
                guard reply.kind == kind else {
                    throw RunnerError("\(artifact.file): \(reply.message ?? reply.kind)")
                }
                return reply
            }
            let more = replies.fileHandleForReading.availableData
            guard !more.isEmpty else { throw RunnerError("\(artifact.file): the native runner ended") }
            unread.append(more)
        }
    }
}

/// NumPy's .npy records, version 1, of the element types that tensors have.
enum Npy {
    private static let descriptions: [DType: String] = [
        .float32: "<f4", .float16: "<f2", .int64: "<i8", .int32: "<i4", .int8: "|i1", .uint8: "|u1", .bool: "|b1",
    ]
    private static let start = 10

    static func record(_ tensor: Tensor) -> Data {
        let sizes = tensor.shape.map { "\($0), " }.joined()
        var header = "{'descr': '\(descriptions[tensor.dtype]!)', 'fortran_order': False, 'shape': (\(sizes)), }"
        while (start + header.utf8.count + 1) % 64 != 0 {
            header += " "
        }
        header += "\n"
        let length = header.utf8.count
        return Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(length & 0xFF), UInt8(length >> 8)])
            + Data(header.utf8) + tensor.data
    }

    static func tensors(in data: Data) throws -> [Tensor] {
        let bytes = [UInt8](data)
        var found: [Tensor] = []
        var at = 0
        while at < bytes.count {
            guard at + start <= bytes.count else { throw RunnerError("outputs end in the middle of a record") }
            let body = at + start + Int(bytes[at + 8]) + Int(bytes[at + 9]) << 8
            let header = String(decoding: bytes[(at + start)..<min(body, bytes.count)], as: UTF8.self)
            let quoted = header.components(separatedBy: "'")
            let inside = header.components(separatedBy: "(").last?.components(separatedBy: ")").first ?? ""
            let shape = inside.split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
            guard quoted.count > 3, let dtype = descriptions.first(where: { $0.value == quoted[3] })?.key else {
                throw RunnerError("outputs hold the header \(header)")
            }
            let end = body + shape.reduce(dtype.bytes, *)
            guard end <= bytes.count else { throw RunnerError("outputs end in the middle of an array") }
            found.append(try Tensor(name: "output", dtype: dtype, shape: shape, data: Data(bytes[body..<end])))
            at = end
        }
        return found
    }
}
