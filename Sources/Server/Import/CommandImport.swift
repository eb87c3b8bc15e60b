import FleetProtocol
import MySQL
import ServiceRuntime

/// A pending command of the former system, and what is here in its place: the decision as a value.
struct CommandImport: Sendable {
  static let columns = [
    "id", "agent_id", "command_type", "target_mode", "target_pool_id", "terminate_wait_seconds", "instance_id", "priority", "created_at",
  ]

  /// What is to become of it.
  enum Decision: Sendable, Equatable {
    case insert
    case alreadyThere
    case conflict(String)
  }

  let id: String
  let agentID: String
  private let row: FormerRow

  init(_ row: FormerRow) {
    self.row = row
    id = row.id
    agentID = row["agent_id"] ?? ""
  }

  /// `holders` are the agents of our commands by the commands' ids.
  func decision(holders: [String: String]) -> Decision {
    if let holder = holders[id] {
      return holder == agentID ? .alreadyThere : .conflict("a command with this id is here for the agent \(holder)")
    }
    do {
      try draft(clientID: nil).validate()
    } catch {
      return .conflict("it cannot be a command here: \(error)")
    }
    return .insert
  }

  /// The row to write.
  func draft(clientID: String?) -> CommandDraft {
    var draft = CommandDraft(agentID: agentID, clientID: clientID, commandType: row["command_type"] ?? "")
    draft.id = id
    var parameters: [String: JSONValue] = [:]
    for name in ["target_mode", "instance_id"] {
      if let text = row[name] { parameters[name] = .string(text) }
    }
    // As it was there: a number where it is one.
    for name in ["target_pool_id", "terminate_wait_seconds"] {
      if let text = row[name] { parameters[name] = Int64(text).map { .int($0) } ?? .string(text) }
    }
    draft.parameters = .object(parameters)
    draft.priority = row["priority"].flatMap { Int($0) } ?? CommandPriority.normal
    draft.source = FleetImport.source
    draft.createdAt = row.time("created_at")
    return draft
  }
}

extension FleetImport {
  mutating func importCommands(_ rows: [FormerRow]) async throws {
    // Those of agents that were not to come, or could not, are told with them.
    let found = rows.map(CommandImport.init).filter { agents.contains($0.agentID) }
    guard !found.isEmpty else { return }
    let isDryRun = selection.isDryRun
    let decisions = try await target.transaction { [self] connection in
      var holders: [String: String] = [:]
      for row in try await ours("SELECT id, agent_id FROM commands WHERE id", found.map(\.id), on: connection) {
        holders[try row.string("id")] = try row.string("agent_id")
      }
      let owners = try await CommandStore.owners(of: found.map(\.agentID), on: connection)
      var decisions: [CommandImport.Decision] = []
      var drafts: [CommandDraft] = []
      for command in found {
        let decision = command.decision(holders: holders)
        decisions.append(decision)
        guard decision == .insert else { continue }
        holders[command.id] = command.agentID
        drafts.append(command.draft(clientID: owners[command.agentID]?.clientID))
      }
      if !isDryRun { try await CommandStore.insert(drafts, on: connection) }
      return decisions
    }
    for (command, decision) in zip(found, decisions) {
      switch decision {
      case .insert: report.add(.command, .imported)
      case .alreadyThere: report.add(.command, .alreadyThere)
      case .conflict(let reason): report.add(.command, .conflict, id: command.id, name: nil, reason)
      }
    }
  }

  /// Commands that an earlier import brought and that still wait here, although the former system says that they were executed since: its agents went on polling
  /// it. They must not run a second time, and only the operator knows which of the two is to have its way.
  mutating func tellOfSettledCommands() async throws {
    var last: Int64 = 0
    while true {
      let after = last
      let rows = try await target.withConnection { connection in
        try await connection.query(
          """
          SELECT seq, id, agent_id FROM commands WHERE status IN ('pending', 'queued') AND source = ? AND seq > ? ORDER BY seq LIMIT ?
          """, [.text(Self.source), .int(after), .int(Int64(Self.batch))])
      }
      guard let end = rows.last else { return }
      last = Int64(try end.int("seq"))
      let waiting = try rows.filter { agents.contains(try $0.string("agent_id")) }.map { try $0.string("id") }
      for id in try await former.settled(waiting).sorted() {
        report.add(
          .command, .conflict, id: id, name: nil,
          "it was executed in the former system after it had been imported and still waits here; call it off: spotctl commands cancel \(id)"
        )
      }
    }
  }
}
