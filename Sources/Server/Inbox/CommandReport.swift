import FleetProtocol
import ServiceRuntime

/// What an agent says of a command, in the order in which it says it: how far it has come, and how it ended.
public enum CommandReport: Sendable, Equatable {
  /// Type `progress`.
  case progress(CommandProgress)
  /// Type `result`.
  case result(CommandResult)

  /// The command.
  public var commandID: String {
    switch self {
    case .progress(let progress): progress.commandID
    case .result(let result): result.commandID
    }
  }

  /// The agent that the command was given to.
  public var agentID: String {
    switch self {
    case .progress(let progress): progress.agentID
    case .result(let result): result.agentID
    }
  }
}

extension CommandReport: InboxBody {
  static let types = [CommandProgress.type, CommandResult.type]

  var senderID: String? { agentID }

  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> CommandReport {
    type == CommandProgress.type
      ? .progress(try WireCoding.decode(CommandProgress.self, from: body)) : .result(try WireCoding.decode(CommandResult.self, from: body))
  }
}
