import FleetProtocol
import ServiceRuntime

/// Writes refusals to the log and to `system_events` (`auth_failed`), both limited, so that an attacker fills neither.
public final class AuthFailureRecorder: Sendable {
  private struct Limits {
    /// A line each for whoever is looking at the log while trying things out.
    var log = RefusalLimiter(perSource: 20, altogether: 600)
    /// One event a minute, source and reason: the table is for seeing that and since when, not for counting.
    var events = RefusalLimiter(perSource: 1, altogether: 60)
  }

  private let store: SystemEventStore
  private let metrics: AuthFailureMetrics
  private let logger: Logger
  private let limits = Lock(Limits())

  /// A recorder over the table. What the log and the table leave out is counted all the same.
  public init(_ store: SystemEventStore, metrics: ServerMetrics = ServerMetrics(), logger: Logger) {
    self.store = store
    self.metrics = AuthFailureMetrics(metrics)
    self.logger = logger
  }

  /// Writes a refusal down. Never fails: when the event cannot be stored, the log says so.
  public func record(_ failure: AuthFailure) async {
    metrics.count(failure.reason)
    let now = ContinuousClock.now
    // Each reason by itself: a token that is changed a moment after its client was disabled must be seen.
    let source = "\(failure.reason) \(failure.source)"
    let (line, event) = limits.withLock { ($0.log.decide(source, at: now), $0.events.decide(source, at: now)) }
    if case .write(let suppressed) = line {
      logger.warning(failure.line + (suppressed > 0 ? " (\(suppressed) more from \(failure.source) were not logged)" : ""))
    }
    guard case .write(let suppressed) = event else { return }
    do {
      try await store.insert(Self.event(failure, suppressed: suppressed))
    } catch {
      logger.warning("The event auth_failed of \(failure.source) could not be stored: \(error)")
    }
  }

  private static func event(_ failure: AuthFailure, suppressed: Int) -> SystemEvent {
    var metadata: [String: JSONValue] = [
      "status": .int(Int64(failure.status)), "endpoint": .string(failure.endpoint), "suppressed": .int(Int64(suppressed)),
    ]
    if let token = failure.token { metadata["token"] = .string(token.text) }
    return SystemEvent(
      "auth_failed", severity: .warning, clientID: failure.clientID, agentID: failure.agentID, source: failure.source,
      message: failure.line,
      metadata: .object(metadata))
  }
}
