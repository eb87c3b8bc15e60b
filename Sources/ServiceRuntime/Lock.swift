import Glibc

/// A mutual exclusion around one value.
///
/// Over a pthread mutex and not `Synchronization.Mutex`: ThreadSanitizer on Linux does not see through the latter and reports
/// races that are none, so the sanitizer would be useless for the whole program.
///
/// `@unchecked Sendable`: the value is reached only inside `withLock`, between lock and unlock of a mutex that lives as long as
/// the object.
public final class Lock<Value>: @unchecked Sendable {
  private var value: Value
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  /// Takes the value over; nobody else may keep a way to it.
  public init(_ value: sending Value) {
    self.value = value
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  /// Runs `body` with the value, alone. `body` must not call back into the same lock: the mutex is not recursive.
  public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }
}
