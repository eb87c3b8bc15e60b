import MySQL
import ServiceRuntime

/// Keeps the tables of what happened from growing for ever: what is old enough goes. Any number of servers may do it at once.
struct EventRetention: Sendable {
  /// How long a row of `system_events` is kept, and a spot notice.
  static let days = 30
  /// How long a row of `fleet_events` is kept after it was published, and what a reaction did.
  static let fleetEventDays = 7
  /// How often old ones are looked for.
  static let interval = Duration.seconds(3600)
  /// Rows removed by one statement, so that none holds locks for long.
  static let rowsAtOnce = 1000

  private struct Duty: Sendable {
    let name: String
    let days: Int
    let prune: @Sendable (_ days: Int, _ limit: Int) async throws -> Int
  }

  private let duties: [Duty]
  private let logger: Logger

  init(_ pool: Pool, logger: Logger) {
    let (system, fleet, reactions) = (SystemEventStore(pool), FleetEventStore(pool), ReactionStore(pool))
    duties = [
      Duty(name: "system events", days: Self.days) { try await system.prune(olderThanDays: $0, limit: $1) },
      Duty(name: "published events", days: Self.fleetEventDays) { try await fleet.prune(olderThanDays: $0, limit: $1) },
      Duty(name: "records of reactions", days: Self.fleetEventDays) { try await reactions.prune(olderThanDays: $0, limit: $1) },
      Duty(name: "spot notices", days: Self.days) { try await AgentStore(pool).pruneNotices(olderThanDays: $0, limit: $1) },
    ]
    self.logger = logger
  }

  /// Works until the task is cancelled. A failure is told, and the next round makes up for it.
  func run() async throws {
    while true {
      for duty in duties {
        do {
          var removed = 0
          var last = Self.rowsAtOnce
          while last == Self.rowsAtOnce {
            last = try await duty.prune(duty.days, Self.rowsAtOnce)
            removed += last
          }
          if removed > 0 { logger.info("Removed \(removed) \(duty.name) older than \(duty.days) days") }
        } catch {
          try Task.checkCancellation()
          logger.warning("Old \(duty.name) cannot be removed: \(error)")
        }
      }
      try await Task.sleep(for: Self.interval)
    }
  }
}
