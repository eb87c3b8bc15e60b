import FleetProtocol
import MySQL
import ServiceRuntime

/// A command that is to be written: what `commands` has of it before anybody works on it.
public struct CommandDraft: Sendable, Equatable {
  /// `commands.id`; random unless the writer needs to know it before.
  public var id = randomUUID()
  /// `agents.id`.
  public var agentID: String
  /// The agent's client, for the event.
  public var clientID: String?
  /// What to run.
  public var commandType: String
  /// Its arguments, an object.
  public var parameters = JSONValue.object([:])
  /// How urgent it is.
  public var priority = CommandPriority.normal
  /// Within which time it is to be started; `nil` for ever.
  public var deliverWithin: Duration?
  /// How long it may run, in seconds.
  public var timeoutSeconds: Int?
  /// Whether its output is published while it runs.
  public var streamsOutput = false
  /// Who wrote it: `spotctl`, `rollout:<id>`, `reaction:<name>`, `configure`.
  public var source: String?
  /// The rollout it belongs to.
  public var rolloutID: String?
  /// When it was first written, for one that comes from elsewhere; `nil` is now.
  var createdAt: Timestamp?

  /// A draft of the two things that every command has.
  public init(agentID: String, clientID: String?, commandType: String) {
    self.agentID = agentID
    self.clientID = clientID
    self.commandType = commandType
  }

  /// The rules of the wire, and those of names, so that nothing is stored that no agent would take.
  func validate() throws(MessageError) {
    try Command.validate(name: commandType)
    try Command(
      id: id, agentID: agentID, commandType: commandType, parameters: parameters, priority: priority, createdAt: .now(),
      timeoutSeconds: timeoutSeconds
    ).validate()
  }
}

extension CommandStore {
  /// Rows of one statement: what keeps it below `max_allowed_packet` with parameters of some size.
  private static let draftsInStatement = 200

  /// Writes commands and their `command.pending` events inside the caller's transaction; after its commit the caller wakes the dispatchers.
  /// Throws `MessageError` for what no agent would take.
  static func insert(_ drafts: [CommandDraft], on connection: Connection) async throws {
    for draft in drafts { try draft.validate() }
    for start in stride(from: 0, to: drafts.count, by: draftsInStatement) {
      let batch = drafts[start..<min(start + draftsInStatement, drafts.count)]
      var sql = SQLText(capacity: 256 + batch.count * 300)
      sql.append(
        sql: """
          INSERT INTO commands (id, agent_id, command_type, parameters, priority, expires_at, timeout_seconds, stream_output, source, rollout_id, created_at) VALUES
          """)
      for (index, draft) in batch.enumerated() {
        sql.append(sql: index == 0 ? " (" : ", (")
        sql.append(list: [
          .text(draft.id), .text(draft.agentID), .text(draft.commandType),
          .text(String(decoding: try WireCoding.encodeJSON(draft.parameters), as: UTF8.self)), .int(Int64(draft.priority)),
        ])
        sql.append(sql: ", NOW(3) + INTERVAL ")
        sql.append(Value(draft.deliverWithin.map { $0.milliseconds * 1000 }))
        sql.append(sql: " MICROSECOND, ")
        sql.append(list: [
          Value(draft.timeoutSeconds), Value(draft.streamsOutput), Value(draft.source), Value(draft.rolloutID),
        ])
        if let time = draft.createdAt {
          sql.append(sql: ", LEAST(NOW(3), ")
          sql.append(.timestamp(time.storable))
          sql.append(sql: "))")
        } else {
          sql.append(sql: ", NOW(3))")
        }
      }
      try await connection.executeText(sql)
    }
    try await FleetEvent.append(drafts.map { FleetEvent($0) }, on: connection)
  }
}

extension FleetEvent {
  /// `command.pending`.
  fileprivate init(_ draft: CommandDraft) {
    var data: [String: JSONValue] = [
      "command_id": .string(draft.id), "agent_id": .string(draft.agentID), "command_type": .string(draft.commandType),
      "priority": .int(Int64(draft.priority)), "status": "pending",
    ]
    if let source = draft.source { data["source"] = .string(source) }
    if let rolloutID = draft.rolloutID { data["rollout_id"] = .string(rolloutID) }
    self.init("command.pending", clientID: draft.clientID, subject: draft.id, data: .object(data))
  }
}
