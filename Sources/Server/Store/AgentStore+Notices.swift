import FleetProtocol
import MySQL
import ServiceRuntime

/// What became of a spot notice.
public enum NoticeOutcome: Sendable, Equatable {
  /// It is news: the agent is marked and everybody will be told.
  case recorded
  /// It came before and changes nothing.
  case repeated
  /// It is about an instance that the agent has left.
  case ofFormerInstance(current: String)
  /// There is no such agent.
  case unknownAgent
}

extension AgentStore {
  /// Stores a spot notice in one transaction: the agent's mark, the event, the reactions to it and a line of `system_events`. Each notice (agent, instance, kind
  /// and time) once, however often it comes and whichever servers get it.
  ///
  /// `address` is who signed it: the agent must be that one. Throws `MySQLError`.
  public func record(_ notice: SpotNotice, from address: AgentAddress) async throws -> NoticeOutcome {
    let (outcome, announcement) = try await pool.transaction { connection in
      try await Self.record(notice, address, on: connection)
    }
    announcer.committed(announcement)
    return outcome
  }

  private static func record(
    _ notice: SpotNotice, _ address: AgentAddress, on connection: Connection
  ) async throws -> (NoticeOutcome, Announcer.Announcement) {
    let rows = try await connection.query(
      "SELECT \(AgentSubject.columns) FROM agents WHERE id = ? FOR UPDATE", [.text(notice.agentID)])
    guard let row = rows.first else { return (.unknownAgent, Announcer.Announcement()) }
    let subject = try AgentSubject(row)
    guard subject.id == notice.agentID, subject.clientID == address.clientID, subject.logicalAgentID == address.logicalAgentID else {
      return (.unknownAgent, Announcer.Announcement())
    }
    if let current = subject.instanceID, let about = notice.instanceID, !about.isEmpty, current != about {
      return (.ofFormerInstance(current: current), Announcer.Announcement())
    }
    let time = notice.time.storable
    // The row of the agent is held, so that of two servers one comes second and finds it here.
    let inserted = try await connection.execute(
      "INSERT IGNORE INTO agent_notices (agent_key, kind, time, instance_id, action) VALUES (?, ?, ?, ?, ?)",
      [
        .int(subject.key), .text(notice.kind.rawValue), .timestamp(time), .text(notice.instanceID ?? subject.instanceID ?? ""),
        Value(notice.action),
      ])
    guard inserted.matchedRows > 0 else { return (.repeated, Announcer.Announcement()) }
    try await mark(subject, notice, time, on: connection)
    try await SystemEventStore.insert(systemEvent(subject, notice, time), on: connection)
    var fields: [String: JSONValue] = ["notice_time": .string(time.iso8601), "sent_at": .string(notice.sentAt.iso8601)]
    if let action = notice.action { fields["action"] = .string(action) }
    let type: EventType =
      switch notice.kind {
      case .interruption: .agentInterruption
      case .rebalance: .agentRebalance
      }
    return (.recorded, try await Announcer.announce([AgentEvent(type, subject, fields)], on: connection))
  }

  private static func mark(_ subject: AgentSubject, _ notice: SpotNotice, _ time: Timestamp, on connection: Connection) async throws {
    switch notice.kind {
    case .interruption:
      try await connection.execute(
        "UPDATE agents SET interruption_action = ?, interruption_time = ? WHERE agent_key = ?",
        [Value(notice.action), .timestamp(time), .int(subject.key)])
    case .rebalance:
      try await connection.execute(
        "UPDATE agents SET rebalance_time = ? WHERE agent_key = ?", [.timestamp(time), .int(subject.key)])
    }
  }

  private static func systemEvent(_ subject: AgentSubject, _ notice: SpotNotice, _ time: Timestamp) -> SystemEvent {
    let instance = notice.instanceID ?? subject.instanceID ?? "unknown"
    let message =
      switch notice.kind {
      case .interruption:
        "Spot instance \(instance) of agent '\(subject.logicalAgentID)': \(notice.action ?? "interruption") at \(time.iso8601)"
      case .rebalance: "Spot instance \(instance) of agent '\(subject.logicalAgentID)': rebalance recommendation of \(time.iso8601)"
      }
    return SystemEvent(
      "spot_\(notice.kind.rawValue)", severity: .warning, clientID: subject.clientID, agentID: subject.id, message: printable(message))
  }

  /// Removes notices that came more than `days` ago, at most `limit` of them; returns how many. Call it again while it returns `limit`.
  func pruneNotices(olderThanDays days: Int, limit: Int = 1000) async throws -> Int {
    try await pool.withConnection { connection in
      try await connection.execute(
        "DELETE FROM agent_notices WHERE received_at < NOW(3) - INTERVAL ? DAY ORDER BY received_at LIMIT ?",
        [.int(Int64(days)), .int(Int64(limit))]
      ).matchedRows
    }
  }
}
