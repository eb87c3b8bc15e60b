/// The time given to an operation ran out.
public struct DeadlineExceeded: Error, CustomStringConvertible {
  /// The time that was given.
  public let limit: Duration

  /// One line for a log.
  public var description: String { "not finished within \(limit.inSeconds)s" }
}

/// Runs `operation`, and cancels it and throws `DeadlineExceeded` when it has not finished within `limit`.
///
/// It waits for the cancelled operation to end, so `operation` must heed cancellation.
public func withDeadline<Result: Sendable>(_ limit: Duration, _ operation: @escaping @Sendable () async throws -> Result) async throws
  -> Result
{
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await operation() }
    group.addTask {
      try await Task.sleep(for: limit)
      throw DeadlineExceeded(limit: limit)
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw CancellationError() }
    return first
  }
}
