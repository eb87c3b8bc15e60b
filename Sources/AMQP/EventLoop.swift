import CLinux
import Glibc
import ServiceRuntime

/// A thread that is the executor of the actors on it and waits for their descriptors and timers.
///
/// Jobs, readiness handlers and timers are all run by this one thread, so what an actor on the loop owns (a C handle that must
/// stay on one thread) is touched by no other, and a blocking wait never holds a thread of Swift's cooperative pool. Many
/// connections can share a loop.
///
/// The thread keeps the loop alive until `stop()`; whoever creates a loop stops it after its connections are closed.
public final class EventLoop: SerialExecutor {
  typealias Handler = @Sendable () -> Void

  private struct State {
    var jobs: [UnownedJob] = []
    var soon: [Handler] = []
    var handlers: [Int32: Handler] = [:]
    var timers = TimerQueue()
    var thread: pthread_t?
    var stopped = false
  }

  /// librabbitmq before 0.14 decodes nested header tables by recursion without a limit, some 200 bytes a level. A frame of 128 KiB holds over
  /// 20,000 levels, and whoever may publish one must not be able to end the process; this is ten times what they take.
  private static let stackSize = 64 << 20

  private let state = Lock(State())
  private let epoll: Int32
  private let wake: Int32

  /// Starts the loop's thread. `name` shows in `top -H`.
  public init(name: String) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    precondition(epoll >= 0 && wake >= 0, "no descriptor for an event loop: \(String(cString: strerror(errno))) (raise `ulimit -n`)")
    watch(wake) { [wake] in
      var count: UInt64 = 0
      // A counter that is already zero (EAGAIN) only means that somebody else was faster.
      _ = read(wake, &count, 8)
    }
    startThread(name: name, stackSize: Self.stackSize) { [self] in run() }
  }

  /// Ends the thread once the jobs that were enqueued have run. Idempotent; from any thread.
  public func stop() {
    state.withLock { $0.stopped = true }
    ring()
  }

  private func run() {
    state.withLock { $0.thread = pthread_self() }
    var ready = [epoll_event](repeating: epoll_event(), count: 64)
    while true {
      let now = ContinuousClock.now
      let (jobs, due, stopped) = state.withLock { state in
        defer {
          state.jobs.removeAll(keepingCapacity: true)
          state.soon.removeAll(keepingCapacity: true)
        }
        return (state.jobs, state.soon + state.timers.popDue(at: now), state.stopped)
      }
      for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
      for handler in due { handler() }
      if stopped && jobs.isEmpty && due.isEmpty { return }
      let count = epoll_wait(epoll, &ready, Int32(ready.count), timeout())
      for event in ready.prefix(Int(max(count, 0))) { state.withLock { $0.handlers[event.data.fd] }?() }
    }
  }

  /// Milliseconds until something is due, rounded up; -1 when nothing is.
  private func timeout() -> Int32 {
    state.withLock { state in
      if !state.jobs.isEmpty || !state.soon.isEmpty || state.stopped { return 0 }
      guard let next = state.timers.next else { return -1 }
      let wait = ContinuousClock.now.duration(to: next)
      return wait <= .zero ? 0 : Int32(min(wait.milliseconds + 1, 60_000))
    }
  }

  /// Calls `handler` on the loop's thread whenever `descriptor` can be read, until `unwatch`.
  func watch(_ descriptor: Int32, _ handler: @escaping Handler) {
    state.withLock { $0.handlers[descriptor] = handler }
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(fd: descriptor))
    precondition(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0, "epoll_ctl: \(String(cString: strerror(errno)))")
  }

  /// Must come before the descriptor is closed, or a new one of the same number would find the old handler.
  func unwatch(_ descriptor: Int32) {
    state.withLock { $0.handlers[descriptor] = nil }
    _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
  }

  /// Calls `handler` on the loop's thread after what is ready now has had its turn.
  func soon(_ handler: @escaping Handler) {
    state.withLock { $0.soon.append(handler) }
    ring()
  }

  /// Calls `handler` on the loop's thread once `delay` has passed, unless it is cancelled before.
  func schedule(after delay: Duration, _ handler: @escaping Handler) -> TimerID {
    let id = state.withLock { $0.timers.add(at: .now + delay, handler) }
    if isIsolatingCurrentContext() != true { ring() }
    return id
  }

  func cancel(_ timer: TimerID) { state.withLock { $0.timers.cancel(timer) } }

  /// Called by the Swift runtime.
  public func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    let first = state.withLock { state in
      state.jobs.append(unowned)
      return state.jobs.count == 1
    }
    if first { ring() }
  }

  /// What `assumeIsolated` asks when a readiness handler, which is no job, enters an actor of this loop.
  public func checkIsolated() { precondition(isIsolatingCurrentContext() == true, "not on the event loop's thread") }

  /// Whether the caller is on the loop's thread.
  public func isIsolatingCurrentContext() -> Bool? {
    state.withLock { state in state.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
  }

  private func ring() {
    var one: UInt64 = 1
    // EAGAIN means that the counter is full, so the loop will wake anyway.
    _ = write(wake, &one, 8)
  }

  deinit {
    close(epoll)
    close(wake)
  }
}
