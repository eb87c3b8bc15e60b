import AMQP
import FleetProtocol
import ServiceRuntime

/// Marks agents offline that have not been heard of for `AGENT_HEARTBEAT_TIMEOUT`. One worker of all does it: the leader, by a lock in the database.
struct PresenceWatch: Sendable {
  /// Name of the lock; MySQL's names are global to the server, so the database's name is part of it.
  static let lockName = "spot_optimizer_presence"

  let store: AgentStore
  let leaderLock: LeaderLock
  let timeout: Duration
  let logger: Logger

  /// Looks at queue and table several times in a time-out, until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let channel = try await connection.openChannel()
    let interval = min(max(timeout / 10, .milliseconds(200)), .seconds(5))
    var policy = PresencePolicy(timeout: timeout)
    while true {
      let backlog = try await channel.queueStatus(Topology.heartbeatsQueue).messageCount
      let silenceCounts = policy.observe(backlog: backlog, at: .now)
      let isLeader = try await DatabaseRetry(logger: logger).run { try await leaderLock.hold() }
      if silenceCounts && isLeader {
        for agent in try await DatabaseRetry(logger: logger).run({ try await store.markOffline(silentFor: timeout) }) {
          logger.warning(
            "Agent \(agent.id) '\(agent.logicalAgentID)' of client \(agent.clientID) is offline: no heartbeat for more than \(timeout.shortText)"
          )
        }
      }
      try await Task.sleep(for: interval)
    }
  }
}
