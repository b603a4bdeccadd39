/// PhotoScreen: a photo from the library or the camera, and what the model says it is.
import MobileKitRuntime
import Observation
import PhotosUI
import SwiftUI

@MainActor
@Observable
final class PhotoModel {
    enum State {
        case empty
        case working
        case answered(Answer)
        case failed(String)
    }

    private(set) var state = State.empty
    private(set) var preview: UIImage?
    private var pixels: Pixels?
    private var engine: Engine?
    private var task: Task<Void, Never>?

    /// Another artifact; a photo that is there is classified again.
    func use(_ offer: Offer, of bundle: ModelBundle) {
        engine = Engine(offer, of: bundle)
        if let pixels {
            run { pixels }
        }
    }

    func classify(_ item: PhotosPickerItem, upright: Bool) {
        state = .working
        task?.cancel()
        task = Task {
            do {
                guard let data = try await item.loadTransferable(type: Data.self) else {
                    throw InputError(String(localized: "The photo could not be read."))
                }
                guard !Task.isCancelled else { return }
                let small = await PhotoModel.thumbnail(data)
                guard !Task.isCancelled else { return }
                preview = small
                run { try ImageDecoder.pixels(data, upright: upright) }
            } catch {
                guard !Task.isCancelled else { return }
                state = .failed(words(for: error))
            }
        }
    }

    func classify(_ image: UIImage) {
        preview = image
        run { try ImageDecoder.pixels(of: image) }
    }

    /// Decoding and the model run off the main actor; an older answer that comes late is dropped.
    private func run(_ decode: @escaping @Sendable () throws -> Pixels) {
        guard let engine else { return }
        state = .working
        task?.cancel()
        task = Task {
            do {
                let (pixels, answer) = try await PhotoModel.answer(decode, engine)
                guard !Task.isCancelled else { return }
                self.pixels = pixels
                state = .answered(answer)
            } catch {
                guard !Task.isCancelled else { return }
                state = .failed(words(for: error))
            }
        }
    }

    private nonisolated static func answer(
        _ decode: @Sendable () throws -> Pixels, _ engine: Engine
    ) async throws -> (Pixels, Answer) {
        let pixels = try decode()
        return (pixels, try await engine.classify(pixels))
    }

    private nonisolated static func thumbnail(_ data: Data) async -> UIImage? {
        ImageDecoder.preview(data)
    }
}

@MainActor
struct PhotoScreen: View {
    let opened: OpenBundle
    @State private var model = PhotoModel()
    @State private var chosen = ""
    @State private var item: PhotosPickerItem?
    @State private var takesPhoto = false

    var body: some View {
        List {
            Section {
                ArtifactPicker(opened: opened, chosen: $chosen)
                PhotosPicker(selection: $item, matching: .images) {
                    Label("Choose a photo", systemImage: "photo.on.rectangle")
                }
                if PhotoCamera.isThere {
                    Button {
                        takesPhoto = true
                    } label: {
                        Label("Take a photo", systemImage: "camera")
                    }
                }
            }
            if let preview = model.preview {
                Image(uiImage: preview)
                    .resizable()
                    .scaledToFit()
                    .frame(maxWidth: .infinity, maxHeight: 320)
                    .accessibilityLabel(Text("The photo"))
            }
            Section("Answer") {
                answer
            }
        }
        .navigationTitle("Photo")
        .onAppear {
            if chosen.isEmpty { chosen = opened.usable.first?.id ?? "" }
        }
        .onChange(of: chosen) { use(chosen) }
        .onChange(of: item) { pick(item) }
        .fullScreenCover(isPresented: $takesPhoto) {
            PhotoCamera { model.classify($0) }
                .ignoresSafeArea()
        }
    }

    @ViewBuilder private var answer: some View {
        switch model.state {
        case .empty:
            Text("Choose a photo to see what the model makes of it.").foregroundStyle(.secondary)
        case .working:
            ProgressView()
        case .answered(let answer):
            ScoreList(scores: answer.scores)
            LabeledContent("Preprocessing", value: milliseconds(answer.preprocessMs))
            LabeledContent("Model", value: milliseconds(answer.modelMs))
        case .failed(let message):
            FailureView(message: message)
        }
    }

    private func use(_ id: String) {
        if let offer = opened.usable.first(where: { $0.id == id }) {
            model.use(offer, of: opened.bundle)
        }
    }

    private func pick(_ item: PhotosPickerItem?) {
        if let item {
            model.classify(item, upright: opened.turnsPhotos)
        }
    }
}

extension OpenBundle {
    /// Whether the contract turns photos as EXIF says.
    var turnsPhotos: Bool {
        guard case .image(let spec)? = bundle.manifest.preprocess else { return true }
        return spec.exifOrientation
    }
}
