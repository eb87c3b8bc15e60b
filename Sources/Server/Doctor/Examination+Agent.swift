import AMQP
import Diagnosis
import FleetProtocol
import MySQL
import ServiceRuntime

extension Examination {
  /// Follows one agent from its client to the commands that wait for it.
  mutating func lookAtAgent(_ name: String, client: String?) async throws {
    try await reachDatabase()
    try await reachBroker()
    guard pool != nil else {
      for check in ["agent", "client", "heartbeat", "queue", "commands"] { report.skip(check, because: databaseTrouble) }
      return
    }
    guard let agent = try await findAgent(name, client: client) else { return try await lookAtRefusals(naming: name) }
    try await lookAtClient(of: agent)
    lookAtRegistration(agent)
    // Before what follows from it, so that the first line that fails is the link to mend.
    try await lookAtRefusals(of: agent)
    try await lookAtHeartbeat(agent)
    lookAtStatus(agent)
    try await lookAtQueue(of: agent)
    try await lookAtCredential(of: agent)
    try await lookAtCommands(for: agent)
    lookAtConfiguration(of: agent)
  }

  /// On the agent's own machine.
  private static let look = "on its machine: systemctl status spot-optimizer-agent; journalctl -u spot-optimizer-agent"

  /// The one agent that a person means; none and several are findings.
  private mutating func findAgent(_ name: String, client: String?) async throws -> Agent? {
    var candidates: [Agent] = []
    try await onDatabase("agent") { connection in
      let rows = try await connection.query(
        """
        SELECT \(Agent.columns) FROM agents WHERE (id = ? OR logical_agent_id = ?) AND \
        (? IS NULL OR client_id = ? OR client_id IN (SELECT c.id FROM clients c WHERE c.name = ?)) ORDER BY client_id LIMIT 20
        """, [.text(name), .text(name), Value(client), Value(client), Value(client)])
      let agents = try rows.map(Agent.init).filter { $0.id == name || $0.address.logicalAgentID == name }
      // An id means one, whatever others call themselves.
      candidates = agents.first { $0.id == name }.map { [$0] } ?? agents
      switch candidates.count {
      case 1: return []
      case 0:
        let whose = client.map { " of client '\(printable($0))'" } ?? ""
        return [
          .fail(
            "agent", "no agent '\(printable(name))'\(whose) has ever registered, or its row was deleted",
            remedy:
              "on its machine: systemctl restart spot-optimizer-agent; journalctl -u spot-optimizer-agent; all there are: spotctl agents list"
          )
        ]
      default:
        let list = candidates.map { "\($0.id) (client '\(printable($0.address.clientID))')" }.joined(separator: ", ")
        return [
          .fail("agent", "\(candidates.count) agents have the name '\(printable(name))': \(list)", remedy: "spotctl doctor <the id of one>")
        ]
      }
    }
    return candidates.count == 1 ? candidates.first : nil
  }

  private mutating func lookAtClient(of agent: Agent) async throws {
    let (check, id) = ("client", agent.address.clientID)
    try await onDatabase(check) { [self] connection in
      let rows = try await connection.query("SELECT id, name, client_token, is_active FROM clients WHERE id = ?", [.text(id)])
      guard let row = rows.first else {
        let remedy = "spotctl clients create NAME --id '\(printable(id))', and give its token to its agents"
        return [.fail(check, "there is no client '\(printable(id))': its agents are refused", remedy: remedy)]
      }
      let token = try row.string("client_token")
      let usability: Finding =
        if let problem = Self.problem(ofToken: token) {
          .fail("client token", "it \(problem)", remedy: newToken(of: id))
        } else {
          .pass("client token", "\(tokenPreview(token)) is what SPOT_OPTIMIZER_CLIENT_TOKEN of the agent must be")
        }
      let isActive = try row.int("is_active") != 0
      return [
        .pass(check, "'\(printable(id))' (\(printable(try row.string("name"))))"), usability,
        isActive
          ? .pass("client enabled", "yes")
          : .fail("client enabled", "no: its agents are refused with 403", remedy: "spotctl clients enable '\(printable(id))'"),
      ]
    }
  }

  private mutating func lookAtRegistration(_ agent: Agent) {
    let check = "registration"
    guard let time = agent.registeredAt else {
      let remedy = "on its machine: systemctl restart spot-optimizer-agent"
      return report.add(.fail(check, "the row \(agent.id) is there, and no registration", remedy: remedy))
    }
    let machine = [agent.machine.instanceID, agent.machine.hostname].compactMap(\.self).map(printable).joined(separator: ", ")
    let origin = machine.isEmpty ? "" : ", from \(machine)"
    report.add(.pass(check, "\(agent.id) since \(time.localText), generation \(agent.generation)\(origin)"))
    report.add(.pass("transport", agent.transport == "http" ? "HTTP: it polls, and its commands wait in the database" : "AMQP"))
  }

  private mutating func lookAtHeartbeat(_ agent: Agent) async throws {
    let check = "heartbeat"
    guard let limit = settings?.heartbeatTimeout.components.seconds else { return }
    try await onDatabase(check) { connection in
      let row = try await connection.query(
        "SELECT TIMESTAMPDIFF(SECOND, last_heartbeat_at, NOW(3)) AS age FROM agents WHERE id = ?", [.text(agent.id)]
      ).first
      guard let age = try row?.optionalInt("age") else { return [.fail(check, "never", remedy: Self.look)] }
      if age < -5 {
        return [.warn(check, "\(-age) s in the future", remedy: "timedatectl set-ntp true, on its machine and the database's")]
      }
      let measured = "\(max(0, age)) s ago; \(limit) s without one make it offline (AGENT_HEARTBEAT_TIMEOUT)"
      return [age > limit ? .fail(check, measured, remedy: Self.look) : .pass(check, measured)]
    }
  }

  private mutating func lookAtStatus(_ agent: Agent) {
    let check = "status"
    switch agent.status {
    case .online: report.add(.pass(check, "online"))
    case .switching: report.add(.pass(check, "switching: it moves to another instance"))
    case .offline: report.add(.fail(check, "offline", remedy: Self.look))
    case .deleted:
      let remedy = "to bring it back, on its machine: systemctl restart spot-optimizer-agent"
      report.add(.fail(check, "deleted: it is gone for good", remedy: remedy))
    case .disabled:
      report.add(.warn(check, "disabled by its configuration", remedy: "spotctl agents show \(agent.id); spotctl configure --help"))
    case .error: report.add(.warn(check, "error: it is in trouble that it knows of", remedy: Self.look))
    }
  }

  private mutating func lookAtQueue(of agent: Agent) async throws {
    let check = "queue"
    guard agent.transport != "http" else { return report.add(.pass(check, "none is needed over HTTP")) }
    let restart = "on its machine: systemctl restart spot-optimizer-agent (it registers and gets a new one)"
    guard let queue = agent.queue else { return report.add(.fail(check, "it has none", remedy: restart)) }
    let isGone = [.offline, .deleted].contains(agent.status)
    try await onBroker(check) { connection in
      guard let status = try await Self.status(of: queue, on: connection) else {
        return [.fail(check, "the broker has no queue \(queue): no command reaches it", remedy: restart)]
      }
      let measured = "\(queue): \(counted(status.messageCount, "message")) ready, \(counted(status.consumerCount, "consumer"))"
      guard status.consumerCount == 0 else { return [.pass(check, measured)] }
      let words = isGone ? "it is not connected, and what is sent waits" : "nobody reads it"
      return [.fail(check, "\(measured): \(words)", remedy: Self.look)]
    }
  }

  private mutating func lookAtCredential(of agent: Agent) async throws {
    let check = "credential accepted"
    guard let settings else { return }
    guard agent.transport != "http" else { return report.add(.pass(check, "none is needed over HTTP")) }
    guard broker != nil else { return report.skip(check, because: brokerTrouble) }
    let desk: CredentialDesk
    do throws(ConfigurationError) {
      desk = try Self.desk(settings, keysDirectory: settings.keysDirectory)
    } catch {
      return lookAtMissingKey(error, settings)
    }
    let result = await login(agent.address, with: desk, settings)
    // What the remedy is, the broker's tool knows; it is slow, and for nothing when all is well.
    if case .failure = result { try await askTool() }
    report.add(accepted(check, result, settings))
    try Task.checkCancellation()
  }

  private mutating func lookAtCommands(for agent: Agent) async throws {
    let check = "commands"
    try await onDatabase(check) { connection in
      let rows = try await connection.query(
        """
        SELECT id, status, error, TIMESTAMPDIFF(SECOND, created_at, NOW(3)) AS age FROM commands WHERE agent_id = ? \
        AND status IN ('pending', 'queued', 'delivered', 'running') ORDER BY priority DESC, seq LIMIT 1000
        """, [.text(agent.id)])
      guard let first = rows.first else { return [.pass(check, "none waits for it")] }
      let counts = try Dictionary(grouping: rows) { try $0.string("status") }.map { "\($0.value.count) \($0.key)" }.sorted()
      let (age, id) = (try first.int("age"), printable(try first.string("id")))
      let why = try first.optionalString("error").map(printable) ?? Self.wait(try first.string("status"), agent)
      let measured = "\(counts.joined(separator: ", ")); the next, \(id), since \(age) s: \(why)"
      return [age < 60 ? .pass(check, measured) : .warn(check, measured, remedy: "spotctl commands show '\(id)'")]
    }
  }

  /// Why a command waits, by how its agent is.
  private static func wait(_ status: String, _ agent: Agent) -> String {
    if agent.transport == "http" { return "the agent fetches it when it polls" }
    switch status {
    case "pending" where agent.queue == nil: return "the agent has no queue yet"
    case "pending": return "no dispatcher has sent it yet"
    case "queued" where agent.status == .offline: return "it is in the queue, and the agent is offline"
    case "queued": return "it is in the queue, and the agent has not taken it"
    case "delivered": return "the agent has it and runs others first"
    default: return "it runs"
    }
  }

  private mutating func lookAtConfiguration(of agent: Agent) {
    let check = "configuration"
    let (version, applied) = (agent.configurationVersion, agent.appliedConfigurationVersion)
    guard applied != version, version > 0 else { return report.add(.pass(check, "version \(version), which it has")) }
    let measured = "version \(version), the agent has \(applied.map(String.init) ?? "none")"
    report.add(.warn(check, measured, remedy: "it takes it when it is connected; see: spotctl agents show \(agent.id)"))
  }
}
