import Glibc

/// A thread of its own as the executor of actors that make blocking calls (libmysqlclient, libcurl, a broker login).
///
/// Swift's cooperative pool has as many threads as there are cores and must never block; an actor on this executor may.
/// The thread keeps the executor alive until `stop()`; whoever creates one calls `stop()` when its actors have finished.
///
/// `@unchecked Sendable`: the queue is reached only under `mutex`, and `thread` is written once, by the new thread, before any job runs.
public final class ThreadExecutor: SerialExecutor, @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var jobs: [UnownedJob] = []
  private var stopped = false
  private var thread: pthread_t?

  /// Starts the thread. `name` shows in `top -H`; the kernel keeps 15 bytes of it.
  public init(name: String) {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    startThread(name: name) { [self] in run() }
  }

  private func run() {
    pthread_mutex_lock(mutex)
    thread = pthread_self()
    while true {
      while jobs.isEmpty && !stopped { pthread_cond_wait(condition, mutex) }
      if jobs.isEmpty { break }
      var ready: [UnownedJob] = []
      swap(&ready, &jobs)
      pthread_mutex_unlock(mutex)
      for job in ready { job.runSynchronously(on: asUnownedSerialExecutor()) }
      pthread_mutex_lock(mutex)
    }
    pthread_mutex_unlock(mutex)
  }

  /// Lets the thread end once the jobs that were enqueued have run. Idempotent; from any thread.
  public func stop() {
    pthread_mutex_lock(mutex)
    stopped = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Called by the Swift runtime.
  public func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    pthread_mutex_lock(mutex)
    precondition(!stopped, "a job was sent to a thread that was stopped: its actor outlived its owner")
    jobs.append(unowned)
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  /// What `assumeIsolated` asks.
  public func checkIsolated() { precondition(isIsolatingCurrentContext() == true, "not on the executor's thread") }

  /// Whether the caller is on this executor's thread.
  public func isIsolatingCurrentContext() -> Bool? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }
}
