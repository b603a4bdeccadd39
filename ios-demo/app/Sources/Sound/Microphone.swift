/// Microphone: sound as float32 samples at the model's rate, mono, as it comes. The system's converter changes the
/// rate: a low-pass of its own, not the contract's, which is for files. Refuses to start where there is no input. Ends
/// when a call or another app takes the microphone, and when another one is plugged in: the engine stops then.
import AVFoundation
import MobileKitRuntime

final class Microphone {
    private let engine = AVAudioEngine()
    private var continuation: AsyncStream<[Float]>.Continuation?
    private var observers: [any NSObjectProtocol] = []

    /// Whether the user allows it; asks where that is not decided.
    static func isAllowed() async -> Bool {
        await AVAudioApplication.requestRecordPermission()
    }

    /// Starts recording. The samples end with `stop`.
    func start(sampleRate: Int) throws -> AsyncStream<[Float]> {
        do {
            return try started(sampleRate: sampleRate)
        } catch {
            stop()
            throw error
        }
    }

    private func started(sampleRate: Int) throws -> AsyncStream<[Float]> {
        let audio = AVAudioSession.sharedInstance()
        try audio.setCategory(.record, mode: .measurement)
        try audio.setActive(true)
        let input = engine.inputNode
        let format = input.outputFormat(forBus: 0)
        let mono = AVAudioFormat(
            commonFormat: .pcmFormatFloat32, sampleRate: Double(sampleRate), channels: 1, interleaved: false
        )
        guard format.sampleRate > 0, let wanted = mono,
            let converter = AVAudioConverter(from: format, to: wanted)
        else {
            throw InputError("there is no microphone that can be used", hint: "connect one")
        }
        converter.downmix = true
        let (samples, continuation) = AsyncStream.makeStream(of: [Float].self)
        self.continuation = continuation
        input.installTap(onBus: 0, bufferSize: 1024, format: format) { buffer, _ in
            let converted = Microphone.converted(buffer, by: converter, to: wanted)
            if !converted.isEmpty {
                continuation.yield(converted)
            }
        }
        engine.prepare()
        try engine.start()
        finishWhenTaken(continuation)
        return samples
    }

    /// The engine must not be freed in these blocks, which it may wait for: the samples end, and their reader stops it.
    private func finishWhenTaken(_ continuation: AsyncStream<[Float]>.Continuation) {
        let center = NotificationCenter.default
        let changed = center.addObserver(
            forName: .AVAudioEngineConfigurationChange, object: engine, queue: nil
        ) { notification in
            if (notification.object as? AVAudioEngine)?.isRunning != true {
                continuation.finish()
            }
        }
        let taken = center.addObserver(
            forName: AVAudioSession.interruptionNotification, object: nil, queue: nil
        ) { notification in
            let type = notification.userInfo?[AVAudioSessionInterruptionTypeKey] as? UInt
            if type == AVAudioSession.InterruptionType.began.rawValue {
                continuation.finish()
            }
        }
        observers = [changed, taken]
    }

    func stop() {
        observers.forEach { NotificationCenter.default.removeObserver($0) }
        observers = []
        engine.inputNode.removeTap(onBus: 0)
        engine.stop()
        continuation?.finish()
        continuation = nil
        try? AVAudioSession.sharedInstance().setActive(false, options: .notifyOthersOnDeactivation)
    }

    private static func converted(
        _ buffer: AVAudioPCMBuffer, by converter: AVAudioConverter, to format: AVAudioFormat
    ) -> [Float] {
        let ratio = format.sampleRate / buffer.format.sampleRate
        let capacity = AVAudioFrameCount(Double(buffer.frameLength) * ratio) + 64
        guard let output = AVAudioPCMBuffer(pcmFormat: format, frameCapacity: capacity) else { return [] }
        let once = Once(buffer)
        var problem: NSError?
        let status = converter.convert(to: output, error: &problem) { _, outcome in
            let next = once.take()
            outcome.pointee = next == nil ? .noDataNow : .haveData
            return next
        }
        guard status != .error, let channel = output.floatChannelData?[0] else { return [] }
        return Array(UnsafeBufferPointer(start: channel, count: Int(output.frameLength)))
    }
}

/// Gives a buffer out once: the converter asks until it gets none.
private final class Once: @unchecked Sendable {
    private var buffer: AVAudioPCMBuffer?

    init(_ buffer: AVAudioPCMBuffer) {
        self.buffer = buffer
    }

    func take() -> AVAudioPCMBuffer? {
        defer { buffer = nil }
        return buffer
    }
}
