import ServiceRuntime

/// Keeps `system_events` from growing for ever: what is older than thirty days goes. Any number of servers may do it at once.
struct EventRetention: Sendable {
  /// How long an event is kept.
  static let days = 30
  /// How often old ones are looked for.
  static let interval = Duration.seconds(3600)
  /// Rows removed by one statement, so that none holds locks for long.
  static let rowsAtOnce = 1000

  let store: SystemEventStore
  let logger: Logger

  /// Works until the task is cancelled. A failure is told, and the next round makes up for it.
  func run() async throws {
    while true {
      do {
        var removed = 0
        var last = Self.rowsAtOnce
        while last == Self.rowsAtOnce {
          last = try await store.prune(olderThanDays: Self.days, limit: Self.rowsAtOnce)
          removed += last
        }
        if removed > 0 { logger.info("Removed \(removed) system events older than \(Self.days) days") }
      } catch {
        try Task.checkCancellation()
        logger.warning("Old system events cannot be removed: \(error)")
      }
      try await Task.sleep(for: Self.interval)
    }
  }
}
