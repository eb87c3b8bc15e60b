import ServiceRuntime

/// Runs calls that wait for the disk on a thread of its own, made for it and gone with it: Swift's pool must never block, and an agent to whom
/// nothing happens needs no thread for what may happen. A thread costs some ten microseconds, an fsync a hundred times that.
enum DiskWork {
  /// Runs `body` and returns what it returned. Goes on when the task is cancelled: what was begun on disk is finished.
  static func run<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let outcome: Result<Value, Failure> = await withCheckedContinuation { continuation in
      startThread(name: "journal") {
        do throws(Failure) {
          continuation.resume(returning: .success(try body()))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try outcome.get()
  }
}
