import FleetProtocol
import MySQL
import ServiceRuntime

/// A command as a v4 agent gets it when it polls: the fields that it knows, taken from the row and its parameters.
struct PolledCommand: Sendable {
  /// What v4 agents run.
  static let types: Set<String> = ["switch", "create_replica"]
  /// How long an agent that polls may take with a command that says nothing of it. Such an agent tells nobody that it has begun.
  static let defaultTimeoutSeconds = 900

  let seq: Int64
  let id: String
  let status: CommandStatus
  let commandType: String
  let priority: Int
  let createdAt: Timestamp
  let instanceID: JSONValue
  let targetMode: JSONValue
  let targetPoolID: JSONValue
  let terminateWaitSeconds: Int?

  static let columns = "seq, id, status, command_type, parameters, priority, created_at"

  /// Reads a row. Throws `MessageError` for parameters that are no JSON object or whose values no v4 agent could take. `instanceID` is the agent's.
  init(_ row: Row, instanceID: String?) throws {
    seq = Int64(try row.int("seq"))
    id = try row.string("id")
    status = try row.word(CommandStatus.self, "status", table: "commands", id: id)
    commandType = try row.string("command_type")
    priority = try row.int("priority")
    createdAt = try row.timestamp("created_at")
    let parameters = try Self.parameters(try row.optionalString("parameters"))
    self.instanceID = try Self.word("instance_id", parameters) ?? instanceID.map { .string($0) } ?? .null
    targetMode = try Self.word("target_mode", parameters) ?? .null
    targetPoolID = try Self.word("target_pool_id", parameters) ?? .null
    switch parameters["terminate_wait_seconds"] {
    case nil, .null?: terminateWaitSeconds = nil
    case .int(let seconds)? where (0...Int64(MessageLimits.longestSeconds)).contains(seconds): terminateWaitSeconds = Int(seconds)
    default:
      throw MessageError(
        field: "commands.parameters.terminate_wait_seconds", problem: "is no whole number from 0 to \(MessageLimits.longestSeconds)")
    }
  }

  /// As the agent gets it. The time has its zone as a number, which the agents' language reads in all its versions.
  var json: JSONValue {
    .object([
      "id": .string(id), "instance_id": instanceID, "command_type": .string(commandType), "target_mode": targetMode,
      "target_pool_id": targetPoolID, "priority": .int(Int64(priority)),
      "terminate_wait_seconds": terminateWaitSeconds.map { .int(Int64($0)) } ?? .null,
      "created_at": .string(createdAt.iso8601.dropLast() + "+00:00"),
    ])
  }

  /// Why an agent that polls is not given a command; `nil` when it is.
  static func refusal(of commandType: String) -> String? {
    guard !types.contains(commandType) else { return nil }
    return
      "its agent polls over HTTP (v4) and runs \(types.sorted(by: >).joined(separator: " and ")) only, not '\(printable(commandType))';"
      + " start spot-optimizer-agent with the same logical id to move it to AMQP"
  }

  private static func parameters(_ text: String?) throws(MessageError) -> JSONValue {
    guard let text else { return .object([:]) }
    let value: JSONValue
    do throws(MessageError) {
      value = try WireCoding.decodeJSON(JSONValue.self, from: Array(text.utf8))
    } catch {
      throw MessageError(field: "commands.parameters", problem: "is not JSON: \(error.problem)")
    }
    switch value {
    case .object: return value
    case .null: return .object([:])
    default: throw MessageError(field: "commands.parameters", problem: "is no JSON object")
    }
  }

  /// A text or a whole number, as it was written: ids of pools are either.
  private static func word(_ name: String, _ parameters: JSONValue) throws(MessageError) -> JSONValue? {
    switch parameters[name] {
    case nil, .null?: return nil
    case .int(let number)?: return .int(number)
    case .string(let text)? where text.utf8.count <= 1024: return .string(text)
    default: throw MessageError(field: "commands.parameters.\(name)", problem: "is no text of 1024 bytes at most and no whole number")
    }
  }
}
