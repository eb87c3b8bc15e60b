import FleetProtocol
import MySQL
import ServiceRuntime

/// An agent that has just been marked offline.
public struct OfflineAgent: Sendable, Equatable {
  /// `agents.id`.
  public let id: String
  /// `agents.client_id`.
  public let clientID: String
  /// `agents.logical_agent_id`.
  public let logicalAgentID: String
  /// What its status was, as the row had it.
  public let previousStatus: String
  /// Its last sign of life.
  public let lastHeartbeatAt: Timestamp
}

extension AgentStore {
  /// Marks agents offline whose last sign of life is older than `timeout`, at most `limit` at once, longest silent first, and returns them.
  ///
  /// `offline` and `deleted` agents stay as they are, and so does one that is back and of whose return nobody was told yet: the next heartbeat of anybody tells it.
  public func markOffline(silentFor timeout: Duration, limit: Int = 1000) async throws -> [OfflineAgent] {
    let (offline, announcement) = try await pool.transaction { connection -> ([OfflineAgent], Announcer.Announcement) in
      // Locked before they are changed, so that a heartbeat that comes in between is not overruled; those locked by one are left for the next time.
      // By the index of those that are not called offline: whoever is gone for good is neither read nor locked.
      let rows = try await connection.query(
        """
        SELECT \(AgentSubject.columns), status, last_heartbeat_at FROM agents \
        WHERE offline_since IS NULL AND last_heartbeat_at < NOW(3) - INTERVAL ? MICROSECOND AND status NOT IN ('offline', 'deleted') \
        ORDER BY last_heartbeat_at LIMIT ? FOR UPDATE SKIP LOCKED
        """,
        [.int(timeout.milliseconds * 1000), .int(Int64(limit))])
      guard !rows.isEmpty else { return ([], Announcer.Announcement()) }
      var sql: SQLText = "UPDATE agents SET status = 'offline', offline_since = NOW(3) WHERE agent_key IN ("
      sql.append(list: try rows.map { .int(Int64(try $0.int("agent_key"))) })
      sql.append(sql: ")")
      try await connection.executeText(sql)
      let events = try rows.map { row in
        var fields = try Self.offlineFields(row, cause: "silence")
        fields["previous_status"] = .string(try row.string("status"))
        return AgentEvent(.agentOffline, try AgentSubject(row), fields)
      }
      let offline = try rows.map { row in
        OfflineAgent(
          id: try row.string("id"), clientID: try row.string("client_id"), logicalAgentID: try row.string("logical_agent_id"),
          previousStatus: try row.string("status"), lastHeartbeatAt: try row.timestamp("last_heartbeat_at"))
      }
      return (offline, try await Announcer.announce(events, on: connection))
    }
    announcer.committed(announcement)
    return offline
  }
}
