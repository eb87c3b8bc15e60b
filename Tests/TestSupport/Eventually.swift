import ServiceRuntime

/// A condition that did not come true in time.
public struct TimedOut: Error, CustomStringConvertible {
  /// What was waited for, and for how long.
  public let description: String
}

/// Waits until `condition` holds; asks every 10 ms.
///
/// - Parameters:
///   - what: what is waited for, for the error's text: "the agent is online".
///   - timeout: how long it may take on a busy machine; generous, because a passing test never waits for it.
/// - Throws: `TimedOut`, or what the condition throws.
public func eventually(
  _ what: String = "the condition", timeout: Duration = .seconds(60), isolation: isolated (any Actor)? = #isolation,
  _ condition: () async throws -> Bool
) async throws {
  _ = try await eventualValue(what, timeout: timeout) { try await condition() ? true : nil }
}

/// Waits until `body` returns a value, and returns it; asks every 10 ms.
///
/// - Throws: `TimedOut`, or what the body throws.
public func eventualValue<Value>(
  _ what: String = "the value", timeout: Duration = .seconds(60), isolation: isolated (any Actor)? = #isolation,
  _ body: () async throws -> Value?
) async throws -> Value {
  let clock = ContinuousClock()
  let deadline = clock.now + timeout
  while true {
    if let value = try await body() { return value }
    if clock.now > deadline { throw TimedOut(description: "after \(timeout): \(what) is still not so") }
    try await clock.sleep(for: .milliseconds(10))
  }
}
