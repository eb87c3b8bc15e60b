import Glibc

/// A machine that is to carry server, broker and database.
struct CapacityMachine: Sendable, Equatable {
  static let gibibyte = 1_073_741_824.0

  /// Processor cores, as the system counts them.
  var cores: Int
  /// Bytes of memory.
  var memory: Double
  /// The broker's limit of open files.
  var openFiles: Int

  /// Sizes that one can buy.
  static func typical(openFiles: Int) -> [CapacityMachine] {
    [(2, 8), (4, 16), (8, 32), (16, 64)].map { cores, gibibytes in
      CapacityMachine(cores: cores, memory: Double(gibibytes) * gibibyte, openFiles: openFiles)
    }
  }

  /// The one that this process runs on. Source: sysconf(3), getrlimit(2). What a container may use of it is not looked at.
  static func here() -> CapacityMachine {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return CapacityMachine(
      cores: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
      memory: Double(sysconf(Int32(_SC_PHYS_PAGES))) * Double(sysconf(Int32(_SC_PAGESIZE))),
      // A service gets what its unit says, and not more than where this shell lives allows.
      openFiles: min(Int(clamping: limit.rlim_max), CapacityReference.debianOpenFiles))
  }
}
