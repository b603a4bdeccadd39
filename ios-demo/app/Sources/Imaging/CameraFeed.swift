/// CameraFeed: frames of the back camera as upright RGB pixels, the newest only: a model that is slower than the camera
/// leaves frames out. Everything that touches the capture session runs on one queue.
import AVFoundation
import MobileKitRuntime

final class CameraFeed: NSObject, @unchecked Sendable {
    let session = AVCaptureSession()
    let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .back)
    private let output = AVCaptureVideoDataOutput()
    private let queue = DispatchQueue(label: "dev.mobilekit.camera")
    private var continuation: AsyncStream<Pixels>.Continuation?
    private var newest = 0

    /// Whether the user allows it; asks where that is not decided.
    static func isAllowed() async -> Bool {
        await AVCaptureDevice.requestAccess(for: .video)
    }

    /// Starts the camera. Throws `InputError` where there is none. Frames of an earlier start end here.
    func start() async throws -> (id: Int, frames: AsyncStream<Pixels>) {
        let (frames, continuation) = AsyncStream.makeStream(of: Pixels.self, bufferingPolicy: .bufferingNewest(1))
        let id = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int, any Error>) in
            queue.async {
                do {
                    try self.configure()
                    self.continuation?.finish()
                    self.continuation = continuation
                    self.newest += 1
                    self.session.startRunning()
                    done.resume(returning: self.newest)
                } catch {
                    continuation.finish()
                    done.resume(throwing: error)
                }
            }
        }
        return (id, frames)
    }

    /// Ends what `start` gave this number for. A start that came later is left alone.
    func stop(_ id: Int) {
        queue.async {
            guard id == self.newest else { return }
            self.session.stopRunning()
            self.continuation?.finish()
            self.continuation = nil
        }
    }

    /// The angle at which frames are upright, as the device is held.
    func turn(to angle: CGFloat) {
        queue.async {
            guard let connection = self.output.connection(with: .video) else { return }
            if connection.isVideoRotationAngleSupported(angle) {
                connection.videoRotationAngle = angle
            }
        }
    }

    private func configure() throws {
        guard session.inputs.isEmpty else { return }
        guard let device else {
            throw InputError("this device has no camera", hint: "choose a photo instead")
        }
        let input = try AVCaptureDeviceInput(device: device)
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .hd1280x720
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        guard session.canAddInput(input), session.canAddOutput(output) else {
            throw InputError("the camera cannot be used now", hint: "close other apps that use it")
        }
        session.addInput(input)
        session.addOutput(output)
        output.setSampleBufferDelegate(self, queue: queue)
    }
}

extension CameraFeed: AVCaptureVideoDataOutputSampleBufferDelegate {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let continuation, let buffer = CMSampleBufferGetImageBuffer(sampleBuffer) else { return }
        CVPixelBufferLockBaseAddress(buffer, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else { return }
        let (height, row) = (CVPixelBufferGetHeight(buffer), CVPixelBufferGetBytesPerRow(buffer))
        let bytes = UnsafeRawBufferPointer(start: base, count: row * height)
        let pixels = try? Pixels(
            width: CVPixelBufferGetWidth(buffer), height: height, bytesPerRow: row, fourBytes: bytes, order: (2, 1, 0)
        )
        if let pixels {
            continuation.yield(pixels)
        }
    }
}
