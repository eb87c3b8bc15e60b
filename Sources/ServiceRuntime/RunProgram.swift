import Glibc

/// Runs a program's asynchronous body while the calling thread, that of `main`, waits; returns its result.
///
/// Takes the place of a top-level `await`. With one of those the main thread ends in libdispatch's `dispatch_main`, which on Linux waits in
/// `sigsuspend` with no signal blocked: SIGTERM would kill the program there, whatever `Signals.block` did. Here the main thread keeps its mask.
/// Nothing may be bound to the main actor, whose thread this holds.
public func runProgram<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) -> Result {
  let outcome = Outcome<Result>()
  // The root of the program: there is no task yet whose child it could be.
  Task { outcome.set(await body()) }
  return outcome.wait()
}

/// A value that one thread waits for.
///
/// `@unchecked Sendable`: `value` is reached only under `mutex`.
private final class Outcome<Value: Sendable>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
  private let condition: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)
  private var value: Value?

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  func set(_ value: Value) {
    pthread_mutex_lock(mutex)
    self.value = value
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  func wait() -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let value { return value }
      pthread_cond_wait(condition, mutex)
    }
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }
}
