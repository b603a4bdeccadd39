/// AVFoundation: what the app uses of AVFAudio, which comes with it. Written down from Apple's documentation, not taken
/// from an SDK; nothing here does anything. The converter's block is @Sendable since Xcode 26, and so it is here.
@_exported import Foundation
import FoundationAdditions

public typealias AVAudioFrameCount = UInt32
public typealias AVAudioPacketCount = UInt32
public typealias AVAudioChannelCount = UInt32
public typealias AVAudioNodeBus = Int

// MARK: - Permission and session

public final class AVAudioApplication: NSObject, @unchecked Sendable {
    override init() {}
    public class func requestRecordPermission(completionHandler response: @escaping @Sendable (Bool) -> Void) {}
    public class func requestRecordPermission() async -> Bool { fatalError() }
}

open class AVAudioSession: NSObject, @unchecked Sendable {
    public struct Category: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let record = Category(rawValue: "")
        public static let playAndRecord = Category(rawValue: "")
    }

    public struct Mode: RawRepresentable, Hashable, Sendable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let `default` = Mode(rawValue: "")
        public static let measurement = Mode(rawValue: "")
    }

    public struct CategoryOptions: OptionSet, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }
    }

    public struct SetActiveOptions: OptionSet, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }
        public static let notifyOthersOnDeactivation = SetActiveOptions(rawValue: 1)
    }

    public enum InterruptionType: UInt, Sendable {
        case ended, began
    }

    override init() {}
    open class func sharedInstance() -> AVAudioSession { fatalError() }
    public class var interruptionNotification: NSNotification.Name { fatalError() }
    open func setCategory(_ category: Category, mode: Mode, options: CategoryOptions = []) throws {}
    open func setActive(_ active: Bool, options: SetActiveOptions = []) throws {}
}

public let AVAudioSessionInterruptionTypeKey = ""

// MARK: - Formats and buffers

public enum AVAudioCommonFormat: UInt, Sendable {
    case otherFormat, pcmFormatFloat32, pcmFormatFloat64, pcmFormatInt16, pcmFormatInt32
}

open class AVAudioFormat: NSObject {
    public init?(
        commonFormat format: AVAudioCommonFormat, sampleRate: Double, channels: AVAudioChannelCount, interleaved: Bool
    ) {
        fatalError()
    }

    open var sampleRate: Double { fatalError() }
    open var channelCount: AVAudioChannelCount { fatalError() }
}

open class AVAudioBuffer: NSObject {
    override init() {}
    open var format: AVAudioFormat { fatalError() }
}

open class AVAudioPCMBuffer: AVAudioBuffer {
    public init?(pcmFormat format: AVAudioFormat, frameCapacity: AVAudioFrameCount) { fatalError() }
    open var frameLength: AVAudioFrameCount = 0
    open var floatChannelData: UnsafePointer<UnsafeMutablePointer<Float>>? { fatalError() }
}

open class AVAudioTime: NSObject {
    override init() {}
}

// MARK: - The converter

public enum AVAudioConverterInputStatus: Int, Sendable {
    case haveData, noDataNow, endOfStream
}

public enum AVAudioConverterOutputStatus: Int, Sendable {
    case haveData, inputRanDry, endOfStream, error
}

public typealias AVAudioConverterInputBlock = @Sendable (
    AVAudioPacketCount, UnsafeMutablePointer<AVAudioConverterInputStatus>
) -> AVAudioBuffer?

open class AVAudioConverter: NSObject {
    public init?(from fromFormat: AVAudioFormat, to toFormat: AVAudioFormat) { fatalError() }
    open var downmix = false

    open func convert(
        to outputBuffer: AVAudioBuffer, error outError: NSErrorPointer,
        withInputFrom inputBlock: @escaping AVAudioConverterInputBlock
    ) -> AVAudioConverterOutputStatus {
        fatalError()
    }

    open func convert(to outputBuffer: AVAudioPCMBuffer, from inputBuffer: AVAudioPCMBuffer) throws {}
}

// MARK: - The engine

public typealias AVAudioNodeTapBlock = (AVAudioPCMBuffer, AVAudioTime) -> Void

open class AVAudioNode: NSObject {
    override init() {}
    open func inputFormat(forBus bus: AVAudioNodeBus) -> AVAudioFormat { fatalError() }
    open func outputFormat(forBus bus: AVAudioNodeBus) -> AVAudioFormat { fatalError() }

    open func installTap(
        onBus bus: AVAudioNodeBus, bufferSize: AVAudioFrameCount, format: AVAudioFormat?,
        block tapBlock: @escaping AVAudioNodeTapBlock
    ) {
        fatalError()
    }

    open func removeTap(onBus bus: AVAudioNodeBus) {}
}

open class AVAudioIONode: AVAudioNode {}

open class AVAudioInputNode: AVAudioIONode {}

open class AVAudioEngine: NSObject {
    public override init() {}
    open var inputNode: AVAudioInputNode { fatalError() }
    open var isRunning: Bool { fatalError() }
    open func prepare() {}
    open func start() throws {}
    open func stop() {}
}

extension NSNotification.Name {
    public static let AVAudioEngineConfigurationChange = NSNotification.Name("")
}
