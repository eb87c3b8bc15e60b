/// The wish that a program end in good order: work under way is finished, nothing new is begun. From any thread.
///
/// Apart from cancellation, which also interrupts what is under way.
public final class StopRequest: Sendable {
  private let requested = Lock(false)
  private let signal = Signal()

  /// Nobody wishes to stop yet.
  public init() {}

  /// Wishes the end. Idempotent.
  public func request() {
    requested.withLock { $0 = true }
    signal.raise()
  }

  /// Whether the end was wished.
  public var isRequested: Bool { requested.withLock { $0 } }

  /// Waits for the wish, or for the task's cancellation. For one waiter.
  public func wait() async {
    while !isRequested && !Task.isCancelled { await signal.wait() }
  }
}
