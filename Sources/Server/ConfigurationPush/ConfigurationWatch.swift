import MySQL
import ServiceRuntime

/// Finds agents whose heartbeats show another version of the configuration than theirs, and tells them. One worker of all does it: the leader, by a lock in the database.
///
/// A change tells those who can be reached then and there, and a registration is answered with the configuration of now. This is for who comes in between: an agent that
/// was cut off when the change was made, and came back without registering; and for one that somebody gave a greater version by hand.
struct ConfigurationWatch: Sendable {
  /// Name of the lock; MySQL's names are global to the server, so the database's name is part of it.
  static let lockName = "spot_optimizer_configuration"
  /// How often it looks.
  static let interval = Duration.seconds(5)
  /// How long it leaves an agent alone that was told.
  static let pause = Duration.seconds(300)
  /// Agents in one transaction.
  static let agentsAtOnce = 500

  let store: AgentStore
  let leaderLock: LeaderLock
  let signals: WorkSignals
  let logger: Logger

  /// Works until the task is cancelled. What hinders it is told once, and the next round makes up for it.
  func run() async throws {
    var isReported = false
    while true {
      do {
        if try await leaderLock.hold() { try await look() }
        isReported = false
      } catch {
        try Task.checkCancellation()
        if !isReported { logger.error("Agents with another configuration than theirs cannot be found: \(error)") }
        isReported = true
      }
      try await Task.sleep(for: Self.interval)
    }
  }

  /// One round through all agents.
  func look() async throws {
    var key: Int64? = 0
    while let after = key {
      let (outcome, next) = try await store.remindOfConfiguration(after: after, limit: Self.agentsAtOnce, pause: Self.pause)
      key = next
      for problem in outcome.problems { logger.debug("Configuration cannot be told: \(problem)") }
      guard !outcome.told.isEmpty else { continue }
      signals.dispatch.raise()
      signals.events.raise()
      logger.info("Told \(outcome.told.count) agents their configuration again: their heartbeats show another version")
    }
  }
}
