import CLinux
import Glibc

/// What a program is given to read: a file in memory, so that we need not know whether, when and how slowly it reads.
enum StandardInput {
  /// Such a file, open at the beginning of the bytes.
  static func open(_ bytes: [UInt8]) throws(ExecutableProblem) -> Descriptor {
    let descriptor = try Descriptor(memfd_create("standard-input", SPOT_MEMFD_CLOEXEC), "A file in memory")
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor.number, $0.baseAddress?.advanced(by: written), $0.count - written) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw ExecutableProblem.system("Standard input cannot be written") }
      written += count
    }
    guard lseek(descriptor.number, 0, SEEK_SET) == 0 else { throw ExecutableProblem.system("Standard input cannot be rewound") }
    return descriptor
  }
}
