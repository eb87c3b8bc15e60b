import Diagnosis
import FleetProtocol
import MySQL
import ServiceRuntime

// Which refusals concern an agent. A request for a credential carries the agent's name in its body, so a refusal of its token tells an address and no agent.
extension Examination {
  private static let check = "auth failures"
  private static let columns = "message, source, TIMESTAMPDIFF(SECOND, timestamp, NOW(3)) AS age"

  /// Those since its last heartbeat that name the agent or came from its machine's address; for one that is not there else those of the last hour that
  /// name nobody.
  mutating func lookAtRefusals(of agent: Agent) async throws {
    let machine = agent.machine
    try await onDatabase(Self.check) { connection in
      let own = try await connection.query(
        """
        SELECT \(Self.columns) FROM system_events WHERE event_type = 'auth_failed' AND timestamp > NOW(3) - INTERVAL 1 DAY \
        AND (agent_id = ? OR source LIKE ? OR source IN (?, ?)) AND timestamp > COALESCE(?, '1970-01-02') ORDER BY timestamp DESC LIMIT 100
        """,
        [
          .text(agent.id), .text("%.\(Self.literal(agent.address.encoded))"), Value(machine.privateIP), Value(machine.publicIP),
          Value(agent.lastHeartbeatAt),
        ])
      if let newest = own.first {
        let isItsMessage = try (newest.optionalString("source") ?? "").hasSuffix(".\(agent.address.encoded)")
        return [try Self.finding(newest, own.count, "of it since its last heartbeat", isCertain: isItsMessage)]
      }
      guard [.offline, .deleted].contains(agent.status) else { return [.pass(Self.check, "none since its last heartbeat")] }
      return try await Self.unnamed(on: connection)
    }
  }

  /// For an agent that is not there: those that have its name in them, else those that name nobody.
  mutating func lookAtRefusals(naming name: String) async throws {
    let pattern = Value.text("%\(Self.literal(PercentEncoding.encode(name)))%")
    try await onDatabase(Self.check) { connection in
      let fitting = try await connection.query(
        """
        SELECT \(Self.columns) FROM system_events WHERE event_type = 'auth_failed' AND timestamp > NOW(3) - INTERVAL 1 DAY \
        AND (source LIKE ? OR message LIKE ?) ORDER BY timestamp DESC LIMIT 100
        """, [pattern, pattern])
      if let newest = fitting.first { return [try Self.finding(newest, fitting.count, "with that name in the last day")] }
      return try await Self.unnamed(on: connection)
    }
  }

  private static func unnamed(on connection: MySQL.Connection) async throws -> [Finding] {
    let rows = try await connection.query(
      """
      SELECT \(columns) FROM system_events WHERE event_type = 'auth_failed' AND timestamp > NOW(3) - INTERVAL 1 HOUR AND agent_id IS NULL \
      ORDER BY timestamp DESC LIMIT 100
      """)
    guard let newest = rows.first else { return [.pass(check, "none in the last hour that may be its own")] }
    return [try finding(newest, rows.count, "in the last hour that name no agent and may be its own")]
  }

  /// `isCertain`: the agent itself was refused, which is why nothing is heard of it; else it may have been another one.
  private static func finding(_ newest: Row, _ count: Int, _ what: String, isCertain: Bool = false) throws -> Finding {
    let text = printable(try newest.optionalString("message") ?? "")
    let source = printable(try newest.optionalString("source") ?? "?")
    let measured = "\(count) \(what); the newest \(try newest.int("age")) s ago from \(source): \(text)"
    if text.hasPrefix(ErrorStatus.inactiveClient.text) {
      return .warn(check, measured, remedy: "spotctl clients list, and spotctl clients enable for the one that is disabled")
    }
    if isCertain {
      return .fail(
        check, measured,
        remedy: "write the client's token into /etc/spot-optimizer/agent.env on its machine, and: systemctl restart spot-optimizer-agent")
    }
    return .warn(
      check, measured,
      remedy:
        "compare the token's preview (spotctl clients list) with SPOT_OPTIMIZER_CLIENT_TOKEN in /etc/spot-optimizer/agent.env on its machine"
    )
  }

  /// Text as a part of a pattern of LIKE.
  private static func literal(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
  }
}
