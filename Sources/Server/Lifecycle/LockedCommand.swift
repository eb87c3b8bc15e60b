import FleetProtocol
import MySQL
import ServiceRuntime

/// A row of `commands` that this transaction has locked to decide about: what a decision and its event need of it.
struct LockedCommand: Sendable {
  let seq: Int64
  let id: String
  let agentID: String
  let commandType: String
  let priority: Int
  let lifecycle: CommandLifecycle
  let isCancelRequested: Bool
  let queuedAt: Timestamp?
  let deliveredAt: Timestamp?
  let startedAt: Timestamp?
  let runUntil: Timestamp?
  let timeoutSeconds: Int?
  let source: String?
  let rolloutID: String?

  static let columns: StaticString = """
    seq, id, agent_id, command_type, priority, status, ended_by, cancel_requested_at, queued_at, delivered_at, started_at, run_until, \
    timeout_seconds, source, rollout_id
    """

  /// Rows that ended before there was a column for it: then only agents said these words.
  fileprivate static func isAgentsWord(_ status: CommandStatus, _ endedBy: String?) -> Bool {
    if let endedBy { return endedBy == CommandEnder.agent.rawValue }
    return [.succeeded, .failed, .timedOut, .cancelled].contains(status)
  }
}

extension LockedCommand {
  init(_ row: Row) throws {
    let id = try row.string("id")
    seq = Int64(try row.int("seq"))
    self.id = id
    agentID = try row.string("agent_id")
    commandType = try row.string("command_type")
    priority = try row.int("priority")
    let status = try row.word(CommandStatus.self, "status", table: "commands", id: id)
    lifecycle = CommandLifecycle(status, isAgentsWord: Self.isAgentsWord(status, try row.optionalString("ended_by")))
    // A time that cannot be read (a zero date that a lenient session wrote) is none, and holds nobody up.
    isCancelRequested = try row.value("cancel_requested_at") != .null
    queuedAt = try? row.optionalTimestamp("queued_at")
    deliveredAt = try? row.optionalTimestamp("delivered_at")
    startedAt = try? row.optionalTimestamp("started_at")
    runUntil = try? row.optionalTimestamp("run_until")
    timeoutSeconds = try row.optionalInt("timeout_seconds")
    source = try row.optionalString("source")
    rolloutID = try row.optionalString("rollout_id")
  }
}

/// Whose word a command's end is (`commands.ended_by`).
public enum CommandEnder: String, WireEnum {
  /// The agent's, which is final.
  case agent
  /// The server's belief, which the agent may correct.
  case server
}
