import AMQP
import Diagnosis
import FleetProtocol
import MySQL
import ServiceRuntime

extension Examination {
  /// A token that is shorter can be guessed, and cannot be told from another by its preview.
  private static let shortestToken = 16
  /// Agents whose queues are looked at.
  private static let sample = 200
  /// Names in one finding.
  private static let named = 5

  /// Clients, agents, commands and refusals that look wrong.
  mutating func lookAtFleet() async throws {
    try await lookAtClients()
    try await lookAtAgents()
    try await lookAtRegistrations()
    try await lookAtAgentQueues()
    try await lookAtCommands()
    try await lookAtRefusals()
  }

  // MARK: Clients

  private mutating func lookAtClients() async throws {
    let check = "clients"
    try await onDatabase(check) { [self] connection in
      let rows = try await connection.query(
        """
        SELECT c.id, c.client_token, c.is_active, \
        (SELECT COUNT(*) FROM agents a WHERE a.client_id = c.id AND a.status NOT IN ('offline', 'deleted')) AS living \
        FROM clients c ORDER BY c.id LIMIT 10000
        """)
      guard !rows.isEmpty else { return [.warn(check, "there is none, so no agent can come", remedy: "spotctl clients create NAME")] }
      var findings: [Finding] = []
      for row in rows {
        let id = try row.string("id")
        if let problem = Self.problem(ofToken: try row.string("client_token")) {
          findings.append(.warn("client token", "that of '\(printable(id))' \(problem)", remedy: newToken(of: id)))
        }
        let living = try row.int("living")
        if try row.int("is_active") == 0, living > 0 {
          findings.append(
            .warn(
              check, "'\(printable(id))' is disabled and has \(counted(living, "agent")) that are not offline: they are refused",
              remedy: "spotctl clients enable '\(printable(id))'"))
        }
      }
      let active = try rows.count { try $0.int("is_active") != 0 }
      if findings.count > Self.named {
        let more = findings.count - Self.named
        findings =
          findings.prefix(Self.named) + [.warn(check, "\(more) more of these", remedy: "mend the ones above, and run: spotctl doctor")]
      }
      return findings + [.pass(check, "\(counted(rows.count, "client")), \(active) enabled")]
    }
  }

  /// What is wrong with a token; `nil` when nothing is.
  static func problem(ofToken token: String) -> String? {
    if token.isEmpty { return "is empty: nobody can use it" }
    if token.trimmingWhitespace() != token { return "begins or ends with white space, which programs strip: it fits nobody's" }
    if token.contains(where: \.isWhitespace) { return "holds white space, which a header cannot carry well" }
    if token.count < shortestToken { return "has \(counted(token.count, "character")): it can be guessed" }
    return nil
  }

  /// How a client gets another token.
  func newToken(of clientID: String) -> String {
    mysql("UPDATE clients SET client_token = UUID() WHERE id = '\(printable(clientID))'") + ", and give it to its agents"
  }

  // MARK: Agents

  private mutating func lookAtAgents() async throws {
    let check = "agents"
    let limit = Value.int((settings?.heartbeatTimeout ?? .seconds(120)).components.seconds)
    try await onDatabase(check) { connection in
      var findings = [try await Self.census(check, on: connection)]
      let silent = try await connection.query(
        """
        SELECT logical_agent_id AS name, TIMESTAMPDIFF(SECOND, last_heartbeat_at, NOW(3)) AS age FROM agents \
        WHERE last_heartbeat_at < NOW(3) - INTERVAL 2 * ? SECOND AND status NOT IN ('offline', 'deleted') ORDER BY last_heartbeat_at LIMIT 100
        """, [limit])
      if let worst = silent.first {
        findings.append(
          .warn(
            "agents silent", "\(try Self.names(silent)) said nothing for up to \(try worst.int("age")) s and are not called offline",
            remedy: "a worker calls them offline once heartbeats are drained; see 'presence watch' and 'queue fleet.heartbeats' above"))
      }
      let early = try await connection.query(
        "SELECT logical_agent_id AS name FROM agents WHERE last_heartbeat_at > NOW(3) + INTERVAL 5 SECOND LIMIT 100")
      if !early.isEmpty {
        findings.append(
          .warn(
            "agents' clocks", "the last heartbeat of \(try Self.names(early)) lies in the future",
            remedy: "timedatectl set-ntp true, on their machines and the database's"))
      }
      return findings
    }
  }

  private static func census(_ check: String, on connection: MySQL.Connection) async throws -> Finding {
    let rows = try await connection.query("SELECT status, transport, COUNT(*) AS n FROM agents GROUP BY status, transport ORDER BY n DESC")
    var (total, offline) = (0, 0)
    var parts: [String] = []
    for row in rows {
      let (status, number) = (try row.string("status"), try row.int("n"))
      total += number
      if status == AgentStatus.offline.rawValue { offline += number }
      parts.append("\(number) \(printable(status))\(try row.string("transport") == "http" ? " (over HTTP)" : "")")
    }
    guard total > 0 else { return .pass(check, "none yet") }
    let measured = "\(counted(total, "agent")): \(parts.joined(separator: ", "))"
    guard offline > 0 else { return .pass(check, measured) }
    return .warn(check, measured, remedy: "spotctl agents list --status offline; for one of them: spotctl doctor AGENT")
  }

  /// `'a', 'b' and 3 more`.
  private static func names(_ rows: [Row]) throws -> String {
    let names = try rows.prefix(named).map { "'\(printable(try $0.string("name")))'" }.joined(separator: ", ")
    return rows.count > named ? "\(names) and \(rows.count - named)\(rows.count == 100 ? " or" : "") more" : names
  }

  /// Two machines that use one name take it from each other, again and again.
  private mutating func lookAtRegistrations() async throws {
    let check = "agents' names"
    try await onDatabase(check) { connection in
      let rows = try await connection.query(
        """
        SELECT a.logical_agent_id AS name, r.n FROM (SELECT e.subject, COUNT(*) AS n FROM \
        (SELECT subject FROM fleet_events WHERE type = 'agent.registered' AND time > NOW(3) - INTERVAL 10 MINUTE ORDER BY seq DESC LIMIT 10000) e \
        GROUP BY e.subject HAVING n >= 5) r JOIN agents a ON a.id = r.subject ORDER BY r.n DESC LIMIT 100
        """)
      guard let worst = rows.first else { return [.pass(check, "no name was registered five times in the last ten minutes")] }
      let measured = "\(try Self.names(rows)) registered up to \(try worst.int("n")) times in ten minutes"
      return [
        .warn(
          check, "\(measured): two machines with one name, or one that starts again and again",
          remedy: "give each machine its own LOGICAL_AGENT_ID; which they are: spotctl events --filter agent.registered --since 10m --json")
      ]
    }
  }

  private mutating func lookAtAgentQueues() async throws {
    let check = "agents' queues"
    guard let broker else { return report.skip(check, because: brokerTrouble) }
    try await onDatabase(check) { connection in
      let rows = try await connection.query(
        """
        SELECT logical_agent_id AS name, queue FROM agents WHERE transport = 'amqp' AND status NOT IN ('offline', 'deleted') \
        AND queue IS NOT NULL ORDER BY last_heartbeat_at DESC LIMIT ?
        """, [.int(Int64(Self.sample))])
      guard !rows.isEmpty else { return [.pass(check, "no agent is online that should have one")] }
      var (missing, unread): ([Row], [Row]) = ([], [])
      for row in rows {
        guard let status = try await Self.status(of: try row.string("queue"), on: broker) else {
          missing.append(row)
          continue
        }
        if status.consumerCount == 0 { unread.append(row) }
      }
      var findings: [Finding] = []
      if !missing.isEmpty {
        findings.append(
          .fail(
            check, "the broker has no queue of \(try Self.names(missing)): no command reaches them",
            remedy: "on their machines: systemctl restart spot-optimizer-agent"))
      }
      if !unread.isEmpty {
        findings.append(
          .warn(
            check, "nobody reads the queue of \(try Self.names(unread)), though they are not offline",
            remedy: "spotctl doctor AGENT; on their machines: journalctl -u spot-optimizer-agent"))
      }
      let bound = rows.count == Self.sample ? "the \(Self.sample) that spoke last" : "all \(rows.count) that are not offline"
      return findings.isEmpty ? [.pass(check, "looked at \(bound): each is there and read")] : findings
    }
  }

  // MARK: Commands

  private static let log = "journalctl -u spot-optimizer-server"

  /// What a command that is stuck is like, as SQL, and what to do.
  private static let stuck: [(what: String, condition: String, remedy: String)] = [
    (
      "are pending for more than a minute though their agent is online",
      """
      c.status = 'pending' AND c.cancel_requested_at IS NULL AND a.status = 'online' AND a.queue IS NOT NULL AND a.transport = 'amqp' \
      AND c.created_at < NOW(3) - INTERVAL 60 SECOND
      """, "no dispatcher works, or the broker does not take them: \(log)"
    ),
    (
      "are in the queue of an agent that is online for more than five minutes",
      "c.status = 'queued' AND a.status = 'online' AND c.queued_at < NOW(3) - INTERVAL 300 SECOND",
      "spotctl commands list --status queued; spotctl doctor AGENT"
    ),
    (
      "are past their time and not ended", "c.status IN ('pending', 'queued') AND c.expires_at < NOW(3) - INTERVAL 60 SECOND",
      "no worker sweeps: systemctl restart spot-optimizer-server; \(log)"
    ),
    (
      "run past their time and are not ended", "c.status IN ('delivered', 'running') AND c.run_until < NOW(3) - INTERVAL 60 SECOND",
      "no worker sweeps: systemctl restart spot-optimizer-server; \(log)"
    ),
  ]

  private mutating func lookAtCommands() async throws {
    let check = "commands"
    try await onDatabase(check) { connection in
      var findings: [Finding] = []
      for (what, condition, remedy) in Self.stuck {
        let rows = try await connection.query(
          "SELECT c.id AS name, c.error FROM commands c JOIN agents a ON a.id = c.agent_id WHERE \(condition) ORDER BY c.seq LIMIT 100")
        guard let first = rows.first else { continue }
        let error = try first.optionalString("error").map { "; the first: \(printable($0))" } ?? ""
        findings.append(.warn(check, "\(try Self.names(rows)) \(what)\(error)", remedy: remedy))
      }
      return findings.isEmpty ? [.pass(check, "none is stuck")] : findings
    }
  }

  // MARK: Refusals

  private mutating func lookAtRefusals() async throws {
    let check = "auth failures"
    try await onDatabase(check) { [self] connection in
      let rows = try await connection.query(
        """
        SELECT SUBSTRING_INDEX(message, ' attempt', 1) AS reason, COUNT(*) AS n, MAX(source) AS source FROM \
        (SELECT message, source FROM system_events WHERE event_type = 'auth_failed' AND timestamp > NOW(3) - INTERVAL 1 HOUR \
        ORDER BY timestamp DESC LIMIT 10000) e GROUP BY reason ORDER BY n DESC LIMIT 10
        """)
      guard !rows.isEmpty else { return [.pass(check, "none in the last hour")] }
      let reasons = try rows.map { row in
        "\(try row.int("n")) × \(printable(try row.string("reason"))) (from \(printable(try row.optionalString("source") ?? "?")))"
      }
      return [
        .warn(
          check, "in the last hour: \(reasons.joined(separator: ", ")); one a minute, source and reason is counted",
          remedy: mysql("SELECT * FROM system_events WHERE event_type = 'auth_failed' ORDER BY timestamp DESC LIMIT 20"))
      ]
    }
  }
}
