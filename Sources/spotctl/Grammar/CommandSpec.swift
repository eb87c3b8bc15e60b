import ServiceRuntime

/// One command of the tool: the table of these is what parsing, usage, `--help` and completions are made from.
struct CommandSpec: Sendable {
  /// A word that is filled in by its place: `AGENT`.
  struct Argument: Sendable {
    let name: String
    let help: String
    var isOptional = false
  }

  /// A word that begins with two dashes, with a value (`--timeout SECONDS`) or without (`--wait`).
  struct Option: Sendable {
    let name: String
    /// The placeholder of its value; `nil` for a switch.
    var value: String?
    let help: String
    /// The option without which this one means nothing.
    var requires: String?
  }

  /// What a command needs to do its work.
  enum Work: Sendable {
    /// Neither database nor broker.
    case alone(@Sendable (Invocation, Environment, Terminal) async throws -> Void)
    /// The database, and whatever else the server's environment names.
    case onDatabase(@Sendable (Invocation, Workplace) async throws -> Void)
  }

  /// What is typed: `["agents", "list"]`.
  let path: [String]
  /// One line that begins with a verb.
  let summary: String
  var arguments: [Argument] = []
  var options: [Option] = []
  /// Whole command lines.
  let examples: [String]
  /// What it does.
  let work: Work

  /// `agents show AGENT [--client CLIENT] [--json]`.
  var synopsis: String {
    let words = arguments.map { $0.isOptional ? "[\($0.name)]" : $0.name }
    let switches = options.map { option in "[\(option.name)\(option.value.map { " \($0)" } ?? "")]" }
    return (path + words + switches).joined(separator: " ")
  }
}
