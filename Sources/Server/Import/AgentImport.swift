import FleetProtocol
import MySQL
import ServiceRuntime

/// An agent of the former system, and what is here in its place: the decision as a value.
struct AgentImport: Sendable {
  /// Columns that only describe.
  static let described = [
    "hostname", "instance_id", "instance_type", "region", "az", "ami_id", "agent_version", "mode", "private_ip", "public_ip",
    "last_heartbeat_at",
  ]

  static func columns(_ table: FormerSystem.Table) -> [String] {
    ["id", "client_id", "logical_agent_id", "status"] + described
      + AgentConfiguration.keys.map(\.name).filter { table.columns.contains($0) }
  }

  /// What is to become of it.
  enum Decision: Sendable, Equatable {
    case insert
    case alreadyThere
    case conflict(String)
    case leftOut(String)
  }

  /// An agent of ours.
  struct Holder: Sendable, Equatable {
    let id: String
    let clientID: String
    let logicalAgentID: String
  }

  let id: String
  let clientID: String
  let logicalAgentID: String
  let isDeleted: Bool
  private let row: FormerRow

  init(_ row: FormerRow) {
    self.row = row
    id = row.id
    clientID = row["client_id"] ?? ""
    logicalAgentID = row["logical_agent_id"] ?? ""
    isDeleted = row["status"] == AgentStatus.deleted.rawValue
  }

  /// `holders` are ours that have its id or its name.
  func decision(holders: [Holder], hasClient: Bool) -> Decision {
    if isDeleted { return .leftOut("it was deleted in the former system") }
    guard hasClient else { return .conflict("its client '\(printable(clientID))' is not here with the same token") }
    guard !id.isEmpty, id.unicodeScalars.count <= 36 else { return .conflict("its id has no 1 to 36 characters") }
    do {
      _ = try AgentAddress(clientID: clientID, logicalAgentID: logicalAgentID)
    } catch {
      return .conflict("its logical id cannot be one here: \(error)")
    }
    // The tables' collation pads.
    guard !id.hasSuffix(" "), !logicalAgentID.hasSuffix(" ") else { return .conflict("its id or its logical id ends with a space") }
    if let namesake = holders.first(where: { $0.clientID == clientID && $0.logicalAgentID == logicalAgentID }) {
      return namesake.id == id
        ? .alreadyThere
        : .conflict("the agent of this name has the id \(namesake.id) here; delete that row, or let the agent register again by itself")
    }
    if let twin = holders.first(where: { $0.id == id }) {
      return .conflict("its id is that of the agent '\(printable(twin.logicalAgentID))' of client '\(printable(twin.clientID))' here")
    }
    return .insert
  }

  /// Where the former system's columns say something else than our defaults; `nil` when nowhere.
  var configuration: String? {
    get throws {
      var overrides: [String: JSONValue] = [:]
      for key in AgentConfiguration.keys {
        guard let text = row[key.name] else { continue }
        let word = if case .flag = key.kind { ["0": "false", "1": "true"][text] ?? text } else { text }
        // A value that is out of our range stays at our default.
        guard let value = key.value(of: word), value != key.defaultValue.asRead else { continue }
        overrides[key.name] = value
      }
      return overrides.isEmpty ? nil : String(decoding: try WireCoding.encodeJSON(overrides), as: UTF8.self)
    }
  }

  /// The values of `insertion`. It comes as offline, whatever it was: the first heartbeat that reaches this server brings it back.
  func values() throws -> [Value] {
    let mode = row["mode"].flatMap { InstanceMode(rawValue: $0 == "on-demand" ? "ondemand" : $0) } ?? .unknown
    return [
      .text(id), .text(clientID), .text(logicalAgentID), word("hostname", 255), word("instance_id", 64), word("instance_type", 64),
      word("region", 64), word("az", 64), word("ami_id", 64), word("agent_version", 64), .text(mode.rawValue), word("private_ip", 64),
      word("public_ip", 64), .text(AgentStatus.offline.rawValue), .text(AgentTransport.http.rawValue),
      Value(row.time("last_heartbeat_at")?.storable), Value(try configuration),
    ]
  }

  static let insertion: StaticString = """
    INSERT INTO agents (id, client_id, logical_agent_id, hostname, instance_id, instance_type, region, az, ami_id, agent_version, mode, private_ip, \
    public_ip, status, transport, last_heartbeat_at, config, offline_since) VALUES
    """

  private func word(_ column: String, _ most: Int) -> Value {
    Value(row[column].map { String(String.UnicodeScalarView($0.unicodeScalars.prefix(most))) })
  }
}

extension JSONValue {
  /// As it is read again from a text: a whole number is one however it was written.
  fileprivate var asRead: JSONValue {
    if case .double(let number) = self, number == number.rounded() { return .int(Int64(number)) }
    return self
  }
}

extension FleetImport {
  mutating func importAgents(_ rows: [FormerRow]) async throws {
    // With --client, those of the others are not asked for and not told of.
    let found = rows.map(AgentImport.init).filter { selection.client == nil || clients.contains($0.clientID) }
    guard !found.isEmpty else { return }
    let (known, isDryRun) = (clients, selection.isDryRun)
    let decisions = try await target.transaction { [self] connection in
      let ours =
        try await ours("SELECT id, client_id, logical_agent_id FROM agents WHERE id", found.map(\.id), on: connection)
        + ours("SELECT id, client_id, logical_agent_id FROM agents WHERE logical_agent_id", found.map(\.logicalAgentID), on: connection)
      var holders = try ours.map { row in
        AgentImport.Holder(
          id: try row.string("id"), clientID: try row.string("client_id"), logicalAgentID: try row.string("logical_agent_id"))
      }
      var decisions: [AgentImport.Decision] = []
      var inserting: [AgentImport] = []
      for agent in found {
        let decision = agent.decision(holders: holders, hasClient: known.contains(agent.clientID))
        decisions.append(decision)
        guard decision == .insert else { continue }
        holders.append(AgentImport.Holder(id: agent.id, clientID: agent.clientID, logicalAgentID: agent.logicalAgentID))
        inserting.append(agent)
      }
      if !isDryRun, !inserting.isEmpty {
        var sql = SQLText(capacity: 512 + inserting.count * 400)
        sql.append(sql: AgentImport.insertion)
        for (index, agent) in inserting.enumerated() {
          sql.append(sql: index == 0 ? " (" : ", (")
          sql.append(list: try agent.values())
          sql.append(sql: ", NOW(3))")
        }
        try await connection.executeText(sql)
      }
      return decisions
    }
    for (agent, decision) in zip(found, decisions) {
      switch decision {
      case .insert: report.add(.agent, .imported)
      case .alreadyThere: report.add(.agent, .alreadyThere)
      case .conflict(let reason):
        report.add(.agent, .conflict, id: agent.id, name: agent.logicalAgentID, reason)
        continue
      case .leftOut(let reason):
        report.add(.agent, .leftOut, id: agent.id, name: agent.logicalAgentID, reason)
        continue
      }
      agents.insert(agent.id)
    }
  }
}
