import ServiceRuntime

/// Says once that the journal cannot be written, and once that it can be again, however many commands wait for that.
final class DiskTrouble: Sendable {
  private let isTold = Lock(false)
  private let folder: String
  private let log: Logger

  init(_ folder: String, _ log: Logger) {
    self.folder = folder
    self.log = log
  }

  /// A write failed.
  func failed(_ error: FileError) {
    let isNew = isTold.withLock { isTold in
      defer { isTold = true }
      return !isTold
    }
    guard isNew else { return log.debug("The journal still cannot be written: \(error)") }
    log.error(
      "The journal of commands in \(folder) cannot be written: \(error). No command is taken or begun until it can be: make room, or see that "
        + "the file system is writable")
  }

  /// A write succeeded.
  func works() {
    let wasTold = isTold.withLock { isTold in
      defer { isTold = false }
      return isTold
    }
    if wasTold { log.info("The journal of commands in \(folder) can be written again") }
  }
}
