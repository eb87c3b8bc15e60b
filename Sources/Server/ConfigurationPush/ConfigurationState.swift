import FleetProtocol
import MySQL

/// An agent's configuration as its row has it, for changing it and for telling it.
struct ConfigurationState: Sendable {
  static let columns: StaticString =
    "a.agent_key, a.id, a.client_id, a.status, a.queue, a.config, a.config_version, a.applied_config_version"

  let key: Int64
  let id: String
  let clientID: String
  /// Whether a command reaches it now. One that its configuration has switched off can be switched on again, so `disabled` counts.
  let isReachable: Bool
  /// What its row says.
  let content: ConfigurationContent
  /// Counted up by every change.
  let version: Int
  /// The version that the agent says it works by.
  let appliedVersion: Int?

  init(_ row: Row, _ contents: inout ConfigurationContents) throws {
    let id = try row.string("id")
    self.id = id
    key = Int64(try row.int("agent_key"))
    clientID = try row.string("client_id")
    let status = try row.string("status")
    isReachable = try row.optionalString("queue") != nil && ![AgentStatus.offline.rawValue, AgentStatus.deleted.rawValue].contains(status)
    content = try contents.read(row, id: id)
    version = try row.int("config_version")
    appliedVersion = try row.optionalInt("applied_config_version")
  }

  /// The version after this one: greater than every one that the agent may have heard of, also when the database was restored from an older copy.
  /// There is none above `AgentConfiguration.greatestVersion`.
  var nextVersion: Int { min(max(version, appliedVersion ?? 0) + 1, AgentConfiguration.greatestVersion) }

  /// Whether it works by another version than it should, as far as it has said.
  var isDifferent: Bool { version != appliedVersion ?? 0 }

  /// The version under which the agent takes its configuration: its own, or one above what the agent has; `nil` when there is none above.
  var versionToTell: Int? {
    let applied = appliedVersion ?? 0
    if version > applied { return version }
    return nextVersion > applied ? nextVersion : nil
  }

  /// What is wrong where `versionToTell` is `nil`.
  var cannotBeOvertaken: StoreError {
    StoreError(
      table: "agents", id: id,
      problem:
        "column agents.applied_config_version is \(appliedVersion ?? 0), the greatest there is; restart the agent to give it its configuration"
    )
  }

  /// The command that tells an agent a configuration.
  func command(_ content: ConfigurationContent, version: Int) -> CommandDraft {
    var draft = CommandDraft(agentID: id, clientID: clientID, commandType: Self.commandType)
    draft.parameters = .object(["version": .int(Int64(version)), "config": content.json])
    draft.priority = Self.priority
    draft.deliverWithin = Self.deliverWithin
    draft.source = Self.source
    return draft
  }

  static let commandType = "configure"

  /// Refuses the command's name where others choose what to run: the versions are the server's to count.
  static func checkIsNot(_ name: String) throws(MessageError) {
    guard name == commandType else { return }
    throw MessageError(field: "command_type", problem: "is '\(name)', which the server sends by itself; use: spotctl configure")
  }

  static let source = "configure"
  /// Ahead of ordinary work, behind what is critical.
  static let priority = 75
  /// An agent that takes longer gets it when it registers, or from the watch.
  static let deliverWithin = Duration.seconds(600)
}
