/// CoreML: what the app uses of it. Written down from Apple's documentation, not taken from an SDK; nothing here does
/// anything.
@_exported import Foundation

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

open class MLModelConfiguration: NSObject {
    public override init() {}
    open var computeUnits: MLComputeUnits = .all
}

open class MLPredictionOptions: NSObject {
    public override init() {}
}

public enum MLMultiArrayDataType: Int, Sendable {
    case double = 65600
    case float32 = 65568
    case float16 = 65552
    case int32 = 131104
}

open class MLMultiArray: NSObject {
    public init(shape: [NSNumber], dataType: MLMultiArrayDataType) throws { fatalError() }
    open var dataPointer: UnsafeMutableRawPointer { fatalError() }
    open var dataType: MLMultiArrayDataType { fatalError() }
    open var shape: [NSNumber] { fatalError() }
    open var strides: [NSNumber] { fatalError() }
    open var count: Int { fatalError() }

    open subscript(idx: Int) -> NSNumber {
        get { fatalError() }
        set { fatalError() }
    }

    open subscript(key: [NSNumber]) -> NSNumber {
        get { fatalError() }
        set { fatalError() }
    }
}

open class MLFeatureValue: NSObject {
    override init() {}
    public convenience init(multiArray value: MLMultiArray) { fatalError() }
    open var multiArrayValue: MLMultiArray? { fatalError() }
}

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

open class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
    public init(dictionary: [String: Any]) throws { fatalError() }
    open var featureNames: Set<String> { fatalError() }
    open func featureValue(for featureName: String) -> MLFeatureValue? { fatalError() }
}

open class MLModel: NSObject {
    override init() {}
    public convenience init(contentsOf url: URL, configuration: MLModelConfiguration) throws { fatalError() }
    open class func compileModel(at modelURL: URL) throws -> URL { fatalError() }
    open class func compileModel(at modelURL: URL) async throws -> URL { fatalError() }
    open func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider { fatalError() }

    open func prediction(
        from input: any MLFeatureProvider, options: MLPredictionOptions
    ) throws -> any MLFeatureProvider {
        fatalError()
    }

    public func prediction(
        from input: any MLFeatureProvider, options: MLPredictionOptions = MLPredictionOptions()
    ) async throws -> any MLFeatureProvider {
        fatalError()
    }
}
