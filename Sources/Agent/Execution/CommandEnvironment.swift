import FleetProtocol

/// The environment of a command's program: what is written here and nothing else, so that nothing of the agent's own environment, least of all
/// its client token, can get into it.
struct CommandEnvironment: Sendable {
  /// The longest value; a parameter that is longer is on standard input alone. The kernel takes 128 KiB for one variable and ends the start of a
  /// program whose environment is too large.
  static let longestValue = 16 * 1024

  /// The agent's home folder (`HOME`), which programs such as the AWS command line read their settings from.
  let home: String?
  /// The agent's id at the server.
  let agentID: String
  /// The agent's own name.
  let logicalAgentID: String
  /// The client it belongs to.
  let clientID: String

  /// The variables for a command.
  func variables(for command: Command) -> [String: String] {
    var variables = [
      "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home ?? "/", "LANG": "C.UTF-8",
      "SPOT_OPTIMIZER_COMMAND_ID": command.id, "SPOT_OPTIMIZER_COMMAND_TYPE": command.commandType, "SPOT_OPTIMIZER_AGENT_ID": agentID,
      "SPOT_OPTIMIZER_LOGICAL_AGENT_ID": logicalAgentID, "SPOT_OPTIMIZER_CLIENT_ID": clientID,
    ]
    variables.merge(Self.parameters(command.parameters)) { own, _ in own }
    return variables
  }

  /// `SPOT_OPTIMIZER_PARAM_<NAME>` for every parameter that is a text, a number, true or false. Names that are none for a variable, and names that
  /// differ in case alone, are left out: a guess would be worse than reading standard input.
  private static func parameters(_ parameters: JSONValue) -> [String: String] {
    guard case .object(let members) = parameters else { return [:] }
    var values: [String: [String]] = [:]
    for (name, value) in members {
      guard isName(name), let text = text(value) else { continue }
      values["SPOT_OPTIMIZER_PARAM_\(name.uppercased())", default: []].append(text)
    }
    return values.compactMapValues { $0.count == 1 ? $0[0] : nil }
  }

  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 128
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  private static func text(_ value: JSONValue) -> String? {
    switch value {
    case .string(let text): text.utf8.count <= longestValue && !text.utf8.contains(0) ? text : nil
    case .int(let number): "\(number)"
    case .double(let number): "\(number)"
    case .bool(let isTrue): isTrue ? "true" : "false"
    case .null, .array, .object: nil
    }
  }
}

extension ExecutableRunner.Request {
  /// A command as a program: its parameters as one line of JSON on standard input, and as variables.
  init(_ command: Command, file: ExecutableFile, environment: CommandEnvironment) throws(MessageError) {
    self.init(
      file: file, standardInput: try WireCoding.encodeJSON(command.parameters) + [UInt8(ascii: "\n")],
      environment: environment.variables(for: command), timeLimit: .seconds(command.timeoutSeconds ?? Command.defaultTimeoutSeconds))
  }
}
