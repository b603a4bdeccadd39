/// ExecuTorchRuntime: .pte programs through ExecuTorch's Swift package. The only file that imports it.
///
/// The package says neither its version nor what is registered in it, so these are written down here, beside the
/// products in project.yml that they follow from; a test holds them together. Loading the method is the last word.
import ExecuTorch
import Foundation
import MobileKitRuntime

struct ExecuTorchRuntime: MobileKitRuntime.Runtime {
    /// Of the branch `swiftpm-…` in project.yml.
    static let packageVersion = "1.5.1"

    let name = "executorch"
    var version: String { ExecuTorchRuntime.packageVersion }
    /// Of the products backend_xnnpack and backend_coreml.
    let backends: Set<String> = ["XnnpackBackend", "CoreMLBackend"]
    /// Of the products executorch, kernels_optimized and kernels_quantized.
    private let namespaces: Set<String> = ["aten", "dim_order_ops", "executorch_prim", "quantized_decomposed"]

    func hasOperator(_ name: String) -> Bool {
        guard let namespace = name.components(separatedBy: "::").first else { return false }
        return namespaces.contains(namespace)
    }

    func load(_ artifact: Artifact, at url: URL) throws -> any ModelRunner {
        try ExecuTorchRunner(artifact, at: url)
    }
}

private final class ExecuTorchRunner: ModelRunner {
    private static let method = "forward"
    private let module: Module
    private let artifact: Artifact

    init(_ artifact: Artifact, at url: URL) throws {
        let module = Module(filePath: url.path)
        do {
            try module.load(ExecuTorchRunner.method)
        } catch {
            throw refusal("\(artifact.file) cannot be loaded", error)
        }
        self.module = module
        self.artifact = artifact
    }

    func run(_ inputs: [MobileKitRuntime.Tensor]) throws -> [MobileKitRuntime.Tensor] {
        let given: [ValueConvertible] = inputs.map { input in
            AnyTensor(data: input.data, shape: input.shape, dataType: dataType(input.dtype))
        }
        let values: [Value]
        do {
            values = try module.execute(ExecuTorchRunner.method, given)
        } catch {
            throw refusal("\(artifact.file) cannot be run", error)
        }
        guard values.count == artifact.outputs.count else {
            throw RunnerError("\(artifact.file) gave \(values.count) outputs, \(artifact.outputs.count) expected")
        }
        var outputs: [MobileKitRuntime.Tensor] = []
        for (value, spec) in zip(values, artifact.outputs) {
            outputs.append(try copied(value, as: spec))
        }
        return outputs
    }

    /// The next call writes into the runtime's own memory, so its values are copied.
    private func copied(_ value: Value, as spec: TensorSpec) throws -> MobileKitRuntime.Tensor {
        guard let tensor = value.anyTensor, tensor.dataType == dataType(spec.dtype) else {
            throw RunnerError("\(artifact.file): output \(spec.name) is no \(spec.dtype.rawValue) tensor")
        }
        var data = Data()
        tensor.bytes { pointer, count, _ in
            data = Data(bytes: pointer, count: count * spec.dtype.bytes)
        }
        return try MobileKitRuntime.Tensor(name: spec.name, dtype: spec.dtype, shape: tensor.shape, data: data)
    }
}

private func dataType(_ dtype: DType) -> DataType {
    switch dtype {
    case .float32: return .float
    case .float16: return .half
    case .int64: return .long
    case .int32: return .int
    case .int8: return .char
    case .uint8: return .byte
    case .bool: return .bool
    }
}

/// The runtime's error code in words. Its own numbers: 20 a missing operator, 32 a missing backend or method.
private func refusal(_ what: String, _ error: Swift.Error) -> RunnerError {
    let code = (error as NSError).code
    let hint: String
    switch code {
    case 20: hint = "an operator is missing: link the kernels' product in project.yml, and keep -all_load"
    case 32: hint = "a backend is missing: link its product in project.yml, and keep -all_load"
    case 35: hint = "the program is damaged or of another version: embed the bundle again"
    default: hint = "run the golden check, and look at the log of the debug product executorch_debug"
    }
    return RunnerError("\(what): \((error as NSError).localizedDescription) (code \(code))", hint: hint)
}
