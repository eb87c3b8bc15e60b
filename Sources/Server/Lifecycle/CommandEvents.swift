import FleetProtocol
import MySQL

/// Whose agent a command is for, as events tell it.
struct CommandOwner: Sendable {
  let clientID: String
  let logicalAgentID: String
}

extension FleetEvent {
  /// Longest error in an event, in characters; the row has the whole.
  private static let errorLength = 1000

  /// `command.<word>`: a status, or `refused`.
  static func command(
    _ row: LockedCommand, _ word: String, owner: CommandOwner?, corrects: CommandStatus? = nil, error: String? = nil, exitCode: Int? = nil
  ) -> FleetEvent {
    var data: [String: JSONValue] = [
      "command_id": .string(row.id), "agent_id": .string(row.agentID), "command_type": .string(row.commandType),
      "priority": .int(Int64(row.priority)), "status": .string(word),
    ]
    if let owner {
      data["client_id"] = .string(owner.clientID)
      data["logical_agent_id"] = .string(owner.logicalAgentID)
    }
    if let source = row.source { data["source"] = .string(source) }
    if let rolloutID = row.rolloutID { data["rollout_id"] = .string(rolloutID) }
    if let corrects { data["corrects"] = .string(corrects.rawValue) }
    if let error { data["error"] = .string(String(error.prefix(errorLength))) }
    if let exitCode { data["exit_code"] = .int(Int64(exitCode)) }
    return FleetEvent("command.\(word)", clientID: owner?.clientID, subject: row.id, data: .object(data))
  }
}
