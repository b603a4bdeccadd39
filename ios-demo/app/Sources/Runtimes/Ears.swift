/// Ears: sound as it comes -> a model's answers. Feeds the streaming form piece by piece, starting over after each
/// clip's length, since the model was trained on clips of that length; the whole form hears the last clip every half
/// clip.
import Foundation
import MobileKitRuntime

struct Ears {
    private let bundle: ModelBundle
    private let preprocessor: AudioPreprocessor
    private var stream: AudioStream
    private var session: StreamSession?
    private var frames: [[Float]] = []
    private var framesHeard = 0
    private var recent: [Float] = []
    private var fresh = 0

    init(_ bundle: ModelBundle) throws {
        guard case .audio(let spec)? = bundle.manifest.preprocess else {
            throw InputError("this model takes no sound")
        }
        self.bundle = bundle
        preprocessor = try AudioPreprocessor(spec)
        stream = AudioStream(preprocessor)
        if let entry = bundle.manifest.stream {
            session = try StreamSession(entry, inputs: bundle.manifest.inputs, outputs: bundle.manifest.outputs)
        }
    }

    mutating func hear(_ samples: [Float], runner: any ModelRunner) throws -> Heard? {
        if let session {
            return try hearPieces(samples, session, runner)
        }
        return try hearClips(samples, runner)
    }

    private mutating func hearPieces(
        _ samples: [Float], _ given: StreamSession, _ runner: any ModelRunner
    ) throws -> Heard? {
        var session = given
        defer { self.session = session }
        frames += stream.push(samples)
        var newest: Heard?
        while frames.count >= session.entry.frames {
            let piece = frames.prefix(session.entry.frames).flatMap { $0 }
            frames.removeFirst(session.entry.frames)
            let shape = [1, session.entry.frames, preprocessor.spec.mels]
            let tensor = try Tensor(name: session.entry.input, shape: shape, floats: piece)
            let outputs = try session.call([session.entry.input: tensor], runner: runner)
            framesHeard += session.entry.frames
            let complete = framesHeard >= preprocessor.spec.frames
            newest = Heard(scores: try classify(outputs, labels: bundle.labels), complete: complete)
            if complete {
                framesHeard = 0
                try session.reset()
            }
        }
        return newest
    }

    private mutating func hearClips(_ samples: [Float], _ runner: any ModelRunner) throws -> Heard? {
        let clip = preprocessor.spec.clipSamples
        recent += samples
        fresh += samples.count
        if recent.count > clip {
            recent.removeFirst(recent.count - clip)
        }
        guard recent.count == clip, fresh >= clip / 2 else { return nil }
        fresh = 0
        let outputs = try runner.run([try preprocessor.tensor(recent)])
        return Heard(scores: try classify(outputs, labels: bundle.labels), complete: true)
    }
}
