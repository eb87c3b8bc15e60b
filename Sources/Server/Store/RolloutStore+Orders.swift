import FleetProtocol
import MySQL
import ServiceRuntime

/// An order that a rollout in its state does not take.
public struct RolloutOrderError: Error, Equatable, CustomStringConvertible {
  /// What is wrong and what would be right.
  public let description: String
}

// The operator's orders. Each only notes what is wanted, so that it takes a moment whatever the rollout's size; the coordinators do the rest, in steps. Each
// returns the rollout as it stands then, or `nil` when there is none with this id, and throws `RolloutOrderError` when it makes no sense now.
extension RolloutStore {
  /// Stops sending; what is under way goes on. A rollout that waits for its time can be paused too.
  public func pause(_ id: String, reason: String) async throws -> Rollout? {
    try await order(id) { rollout, now throws(RolloutOrderError) in
      guard rollout.state == .running || rollout.state == .scheduled else { throw Self.refusal(rollout, "be paused") }
      rollout.state = .paused
      rollout.pausedAt = now
      rollout.reason = reason
      return rollout.event("rollout.paused")
    }
  }

  /// Goes on. The errors so far are forgiven: as many more are tolerated as at the beginning. The time that it was paused does not count for its lifetime.
  public func resume(_ id: String) async throws -> Rollout? {
    try await order(id, "errors_forgiven = failed + timed_out + cancelled") { rollout, now throws(RolloutOrderError) in
      guard rollout.state == .paused else { throw Self.refusal(rollout, "be resumed") }
      rollout.goOn(now)
      return rollout.event("rollout.resumed")
    }
  }

  /// Tries those again whose command ended badly, in the same rollout, which goes on with a fresh error budget. Of a paused or completed one too.
  public func retry(_ id: String) async throws -> Rollout? {
    try await order(id, "errors_forgiven = 0") { rollout, now throws(RolloutOrderError) in
      guard [.running, .paused, .completed].contains(rollout.state) else { throw Self.refusal(rollout, "be retried") }
      guard rollout.counts.errors > 0 else {
        throw RolloutOrderError(description: "rollout \(rollout.id) has no target whose command ended badly; there is nothing to retry")
      }
      rollout.goOn(now)
      rollout.retryBefore = now
      return rollout.event("rollout.resumed")
    }
  }

  /// Calls off what waits, for good, and asks to cancel what is under way unless that is to be left running.
  public func cancel(_ id: String, keepRunning: Bool, reason: String) async throws -> Rollout? {
    try await order(id, keepRunning ? "cancel_running = 0" : "cancel_running = 1") { rollout, now throws(RolloutOrderError) in
      guard rollout.finishedAt == nil, rollout.state != .cancelled || (!keepRunning && !rollout.cancelsRunning) else {
        throw Self.refusal(rollout, "be cancelled")
      }
      rollout.state = .cancelled
      rollout.reason = reason
      return rollout.event("rollout.cancelled")
    }
  }

  private func order(
    _ id: String, _ assignment: String? = nil,
    _ change: @Sendable (inout Rollout, Timestamp) throws(RolloutOrderError) -> FleetEvent
  ) async throws -> Rollout? {
    try await pool.transaction { connection in
      guard let (locked, now) = try await Self.lock(id, on: connection) else { return nil }
      var rollout = locked
      let event = try change(&rollout, now)
      try await Self.save(rollout, on: connection)
      if let assignment { try await connection.execute("UPDATE rollouts SET \(assignment) WHERE id = ?", [.text(id)]) }
      try await FleetEvent.append([event], on: connection)
      return rollout
    }
  }

  private static func refusal(_ rollout: Rollout, _ order: String) -> RolloutOrderError {
    let remedy =
      switch rollout.state {
      case .preparing: "its targets are still being written down; try again in a moment, or cancel it"
      case .scheduled: "it has not begun; pause or cancel it"
      case .running: "it runs; pause it first"
      case .paused: "resume, retry or cancel it"
      case .completed: "every target has ended; retry it, or start another"
      case .cancelled: "it was called off for good; start another"
      }
    return RolloutOrderError(description: "rollout \(rollout.id) is \(rollout.state.rawValue) and cannot \(order): \(remedy)")
  }
}

extension Rollout {
  /// Runs again, or waits for its time if that has not come.
  fileprivate mutating func goOn(_ now: Timestamp) {
    if let pausedAt, let giveUpAt { self.giveUpAt = giveUpAt.advanced(by: now.since(pausedAt)).storable }
    // One that had completed gets a lifetime of its own.
    if state == .completed { giveUpAt = now.advanced(by: .seconds(lifetimeSeconds)).storable }
    state = startedAt == nil ? .scheduled : .running
    pausedAt = nil
    finishedAt = nil
    reason = nil
  }
}
