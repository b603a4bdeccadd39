/// Measuring: time, memory and what this device is. Never estimates: what the system does not tell is nil.
import Foundation
import MobileKitRuntime
import UIKit

/// Milliseconds by the monotonic clock.
struct Stopwatch {
    private var started = DispatchTime.now().uptimeNanoseconds

    /// Since it was made, or since the last lap.
    mutating func lap() -> Double {
        let now = DispatchTime.now().uptimeNanoseconds
        defer { started = now }
        return Double(now - started) / 1e6
    }
}

enum Memory {
    /// What the system counts against this app, in bytes.
    static func footprint() -> Int? {
        var info = task_vm_info_data_t()
        let size = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size
        var count = mach_msg_type_number_t(size)
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: size) { words in
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), words, &count)
            }
        }
        return result == KERN_SUCCESS ? Int(info.phys_footprint) : nil
    }
}

enum DeviceInfo {
    /// As many threads as ExecuTorch's pool has by default; Core ML chooses its own.
    static var performanceCores: Int {
        number("hw.perflevel0.physicalcpu") ?? ProcessInfo.processInfo.processorCount
    }

    @MainActor static var device: BenchmarkReport.Device {
        BenchmarkReport.Device(
            maker: "Apple",
            model: text("hw.machine") ?? UIDevice.current.model,
            system: UIDevice.current.systemName,
            systemVersion: UIDevice.current.systemVersion,
            processor: text("machdep.cpu.brand_string") ?? "Apple",
            cores: ProcessInfo.processInfo.processorCount,
            memoryBytes: Int(ProcessInfo.processInfo.physicalMemory)
        )
    }

    static var appVersion: String {
        Bundle.main.object(forInfoDictionaryKey: "CFBundleShortVersionString") as? String ?? "0"
    }

    private static func number(_ name: String) -> Int? {
        var value: Int32 = 0
        var size = MemoryLayout<Int32>.size
        guard sysctlbyname(name, &value, &size, nil, 0) == 0, value > 0 else { return nil }
        return Int(value)
    }

    private static func text(_ name: String) -> String? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return nil }
        return String(decoding: bytes.prefix(while: { $0 != 0 }), as: UTF8.self)
    }
}
