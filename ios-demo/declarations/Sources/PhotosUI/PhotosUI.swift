/// PhotosUI: the picker as it is where SwiftUI is imported, too. Written down from Apple's documentation, not taken
/// from an SDK; nothing here does anything. Its label is @Sendable in the newest documentation, and so it is here.
import SwiftUI

public struct PHPickerFilter: Equatable, Hashable, Sendable {
    public static let images = PHPickerFilter()
    public static let videos = PHPickerFilter()
}

public struct PhotosPickerItem: Equatable, Hashable, Sendable {
    public struct EncodingDisambiguationPolicy: Equatable, Hashable, Sendable {
        public static let automatic = EncodingDisambiguationPolicy()
        public static let current = EncodingDisambiguationPolicy()
        public static let compatible = EncodingDisambiguationPolicy()
    }

    public init(itemIdentifier: String) {}
    public var itemIdentifier: String? { fatalError() }
    public func loadTransferable<T: Transferable>(type: T.Type) async throws -> sending T? { fatalError() }
}

@MainActor @preconcurrency
public struct PhotosPicker<Label: View>: View {
    public var body: Never { fatalError() }

    @preconcurrency
    public nonisolated init(
        selection: Binding<PhotosPickerItem?>, matching filter: PHPickerFilter? = nil,
        preferredItemEncoding: PhotosPickerItem.EncodingDisambiguationPolicy = .automatic,
        @ViewBuilder label: @Sendable () -> Label
    ) {
        fatalError()
    }
}
