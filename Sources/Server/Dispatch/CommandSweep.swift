import ServiceRuntime

/// Ends commands of which no agent will speak any more: too late to be started, silent past their time, or their agents deleted. A loop of its own, so
/// that no backlog of the dispatcher holds it up; any number of servers may run it at once.
struct CommandSweep: Sendable {
  /// How often it looks.
  static let interval = Duration.seconds(1)
  /// How often it looks for commands of agents that were deleted, which looks at every command under way.
  static let orphanInterval = Duration.seconds(30)

  let store: CommandStore
  let signals: WorkSignals
  let logger: Logger

  /// Works until the task is cancelled.
  func run() async throws {
    let database = DatabaseRetry(logger: logger)
    var nextOrphans = ContinuousClock.now
    while true {
      var isBehind = false
      let expired = try await database.run { try await store.closeExpired() }
      if expired > 0 { logger.warning("\(expired) commands expired before they were started") }
      let overrun = try await database.run { try await store.closeOverrun() }
      if overrun > 0 { logger.warning("\(overrun) commands are timed out: their agents stayed silent") }
      isBehind = max(expired, overrun) >= CommandStore.closedAtOnce
      var orphaned = 0
      if nextOrphans <= .now {
        nextOrphans = .now + Self.orphanInterval
        orphaned = try await database.run { try await store.closeOrphaned() }
        if orphaned > 0 { logger.warning("\(orphaned) commands cannot be delivered: their agents were deleted") }
      }
      if expired + overrun + orphaned > 0 {
        signals.events.raise()
        signals.rollouts.raise()
      }
      if isBehind { try Task.checkCancellation() } else { try await Task.sleep(for: Self.interval) }
    }
  }
}
