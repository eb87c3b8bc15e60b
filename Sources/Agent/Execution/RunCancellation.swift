import CLinux
import Glibc

/// Tells a run's thread that its task was cancelled: a descriptor that it can wait for along with the others.
final class RunCancellation: Sendable {
  private let event: Descriptor

  init() throws(ExecutableProblem) { event = try Descriptor(eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)), "An event descriptor") }

  /// Becomes readable with `raise`, and stays so.
  var descriptor: Int32 { event.number }

  /// From any thread; more than once is the same as once.
  func raise() {
    var one: UInt64 = 1
    // Fails only when the counter is full, and then it is readable.
    _ = write(event.number, &one, MemoryLayout<UInt64>.size)
  }

  /// Whether `raise` was called.
  var isRaised: Bool {
    var entry = pollfd(fd: event.number, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }
}
