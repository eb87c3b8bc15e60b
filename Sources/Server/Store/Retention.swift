import MySQL
import ServiceRuntime

/// Keeps the tables of what happened from growing for ever: what is old enough goes, in small batches with pauses in between, so that nobody who writes waits
/// for it. Any number of servers may do it at once.
struct Retention: Sendable {
  /// How long a row of `fleet_events` is kept after it was published, and what a reaction did.
  static let fleetEventDays = 7
  /// How often old ones are looked for.
  static let interval = Duration.seconds(3600)
  /// Rows removed by one statement, so that none holds locks for long.
  static let rowsAtOnce = 1000
  /// The pause between two batches is at least so long, and so many times as long as the batch took: a busy database is asked for less.
  static let shortestPause = Duration.milliseconds(100)
  static let idleShare = 4

  private struct Duty: Sendable {
    let name: String
    let days: Int
    /// Removes all that is older than so many days; how many rows those were.
    let remove: @Sendable (_ days: Int) async throws -> Int
  }

  private let duties: [Duty]
  private let logger: Logger

  /// Keeps system events, spot notices, commands and rollouts for so many days (`SPOT_OPTIMIZER_RETENTION_DAYS`).
  init(_ pool: Pool, days: Int, rowsAtOnce limit: Int = rowsAtOnce, logger: Logger) {
    let (system, fleet, reactions) = (SystemEventStore(pool), FleetEventStore(pool), ReactionStore(pool))
    let (agents, commands, rollouts) = (AgentStore(pool), CommandStore(pool), RolloutStore(pool))
    duties = [
      Duty(name: "system events", days: days) { days in
        try await Self.untilNone { try await system.prune(olderThanDays: days, limit: limit) }
      },
      Duty(name: "published events", days: Self.fleetEventDays) { days in
        try await Self.untilNone { try await fleet.prune(olderThanDays: days, limit: limit) }
      },
      Duty(name: "records of reactions", days: Self.fleetEventDays) { days in
        try await Self.untilNone { try await reactions.prune(olderThanDays: days, limit: limit) }
      },
      Duty(name: "spot notices", days: days) { days in
        try await Self.untilNone { try await agents.pruneNotices(olderThanDays: days, limit: limit) }
      },
      Duty(name: "ended rollouts", days: days) { days in
        let removed = try await Self.untilNone { try await rollouts.prune(olderThanDays: days, limit: limit) }
        // Also what a server left that died between the two.
        try await Self.forEachLeftover(in: .rolloutTargets, rollouts) { id in
          _ = try await Self.untilNone { try await rollouts.pruneTargets(ofRemoved: id, limit: limit) }
        }
        return removed
      },
      Duty(name: "finished commands", days: days) { days in
        var removed = try await Self.remove(commands, .ofNoRollout, days, limit)
        try await Self.forEachLeftover(in: .commands, rollouts) { id in
          removed += try await Self.remove(commands, .ofRemovedRollout(id), days, limit)
        }
        return removed
      },
    ]
    self.logger = logger
  }

  /// Works until the task is cancelled. A failure is told, and the next round makes up for it.
  func run() async throws {
    while true {
      try await removeWhatIsOld()
      try await Task.sleep(for: Self.interval)
    }
  }

  /// One round.
  func removeWhatIsOld() async throws {
    for duty in duties {
      do {
        let removed = try await duty.remove(duty.days)
        if removed > 0 { logger.info("Removed \(removed) \(duty.name) older than \(duty.days) days") }
      } catch {
        try Task.checkCancellation()
        logger.warning("Old \(duty.name) cannot be removed: \(error)")
      }
    }
  }

  /// Batch after batch until one finds nothing; how many rows went.
  private static func untilNone(isolation: isolated (any Actor)? = #isolation, _ batch: () async throws -> Int) async throws -> Int {
    var sum = 0
    while true {
      let start = ContinuousClock.now
      let removed = try await batch()
      guard removed > 0 else { return sum }
      sum += removed
      try await Task.sleep(for: max(shortestPause, start.duration(to: .now) * idleShare))
    }
  }

  private static func remove(_ commands: CommandStore, _ group: CommandStore.OldCommands, _ days: Int, _ limit: Int) async throws -> Int {
    var reached: Timestamp?
    return try await untilNone {
      let batch = try await commands.prune(group, olderThanDays: days, from: reached, limit: limit)
      reached = batch.reached
      return batch.removed
    }
  }

  private static func forEachLeftover(
    in table: RolloutStore.Mention, _ rollouts: RolloutStore, isolation: isolated (any Actor)? = #isolation,
    _ body: (String) async throws -> Void
  ) async throws {
    var last = ""
    while let next = try await rollouts.mention(in: table, after: last) {
      last = next.rolloutID
      if next.isRemoved { try await body(next.rolloutID) }
    }
  }
}
