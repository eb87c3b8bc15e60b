import Glibc
import ServiceRuntime

/// Whether an agent of a name runs on this machine: by the lock that it holds on its journal for as long as it lives.
enum RunningAgent: Sendable, Equatable {
  /// It does; its process id, when the file says it.
  case running(Int?)
  /// It does not, or keeps its journal elsewhere.
  case notRunning
  /// For this reason nobody can tell.
  case unknown(String)

  /// Looks, and holds the lock for no longer than that takes: an agent that starts just then tries again.
  init(of owner: JournalFolder.Owner, in state: StateFolder) {
    let path = "\(state.path)/\(owner.name)/lock"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else {
      self = errno == ENOENT ? .notRunning : .unknown("\(FileError(path, "cannot be opened"))")
      return
    }
    defer { close(descriptor) }
    if flock(descriptor, LOCK_SH | LOCK_NB) == 0 {
      self = .notRunning
      return
    }
    guard errno == EWOULDBLOCK else {
      self = .unknown("\(FileError(path, "cannot be locked"))")
      return
    }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &bytes, bytes.count)
    let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
    self = .running(lines.first { $0.hasPrefix("process ") }.flatMap { Int($0.dropFirst("process ".count)) })
  }
}
