import AMQP
import FleetProtocol
import MySQL
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
    var isAway = false
    while true {
      let backlog = try await channel.queueStatus(Topology.heartbeatsQueue).messageCount
      do {
        // The lock first: the policy then sees how long the database took to answer. Nothing here is repeated, because what was true before an
        // outage is not after it: the heartbeats of live agents are then still on their way to the table.
        let isLeader = try await leaderLock.hold()
        if policy.observe(backlog: backlog, at: .now), isLeader { try await markOffline() }
        isAway = false
      } catch let error as MySQLError where error.isDatabaseAway {
        _ = policy.observe(backlog: nil, at: .now)
        if !isAway { logger.error("Presence cannot be watched: \(error) - nobody is called offline meanwhile") }
        isAway = true
      }
      try await Task.sleep(for: interval)
    }
  }

  private func markOffline() async throws {
    for agent in try await store.markOffline(silentFor: timeout) {
      logger.warning(
        "Agent \(agent.id) '\(agent.logicalAgentID)' of client \(agent.clientID) is offline: no heartbeat for more than \(timeout.shortText)"
      )
    }
  }
}
