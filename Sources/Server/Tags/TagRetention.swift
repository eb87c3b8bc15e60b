import ServiceRuntime

/// Removes the tags of agents whose row was deleted by hand, as the guide tells operators to. Any number of servers may do it at once.
struct TagRetention: Sendable {
  /// How often they are looked for.
  static let interval = Duration.seconds(3600)
  /// Agents whose tags one statement removes, so that none holds locks for long.
  static let agentsAtOnce = 1000

  let store: AgentStore
  let logger: Logger

  /// Works until the task is cancelled. A failure is told, and the next round makes up for it.
  func run() async throws {
    while true {
      do {
        try await prune()
      } catch {
        try Task.checkCancellation()
        logger.warning("Tags of deleted agents cannot be removed: \(error)")
      }
      try await Task.sleep(for: Self.interval)
    }
  }

  /// One round.
  func prune() async throws {
    var removed = 0
    var last = Self.agentsAtOnce
    while last == Self.agentsAtOnce {
      last = try await store.pruneTags(limit: Self.agentsAtOnce)
      removed += last
    }
    if removed > 0 { logger.info("Removed the tags of \(removed) agents that were deleted") }
  }
}
