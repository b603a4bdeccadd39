/// QuartzCore: the layer that a view draws into. Written down from Apple's documentation, not taken from an SDK;
/// nothing here does anything.
@_exported import CoreGraphics
@_exported import Foundation

open class CALayer: NSObject {
    public override init() {}
}
