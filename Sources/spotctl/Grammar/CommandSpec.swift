import ServiceRuntime

/// One command of the tool: the table of these is what parsing, usage, `--help` and completions are made from.
struct CommandSpec: Sendable {
  /// A word that is filled in by its place: `AGENT`.
  struct Argument: Sendable {
    let name: String
    let help: String
    var isOptional = false
    /// Whether it takes all the words that are left, one at least; only the last argument can.
    var isRepeated = false
    /// The option that can be given in its place: with it there is no such word.
    var insteadOf: Option?
  }

  /// A word that begins with two dashes, with a value (`--timeout SECONDS`) or without (`--wait`).
  struct Option: Sendable {
    let name: String
    /// The placeholder of its value; `nil` for a switch.
    var value: String?
    let help: String
    /// The option without which this one means nothing.
    var requires: String?
    /// The values that there are, where they are few: for completions.
    var choices: [String] = []
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
  /// The switch with which it goes on until somebody ends it: then Ctrl-C and SIGTERM are its good end.
  var endlessWith: String?
  /// Whole command lines.
  let examples: [String]
  /// What it does.
  let work: Work

  /// `agents show AGENT [--client CLIENT] [--json]`.
  var synopsis: String {
    let words = arguments.map(\.placeholder)
    let instead = arguments.compactMap { $0.insteadOf?.name }
    let switches = options.filter { !instead.contains($0.name) }.map { option in "[\(option.name)\(option.value.map { " \($0)" } ?? "")]" }
    return (path + words + switches).joined(separator: " ")
  }
}

extension CommandSpec.Argument {
  /// As the usage shows it: `AGENT`, `[JSON]`, `AGENT|--target EXPR`, `NAME=VALUE…`.
  var placeholder: String {
    let word = name + (insteadOf.map { "|\($0.name) \($0.value ?? "")" } ?? "") + (isRepeated ? "…" : "")
    return isOptional ? "[\(word)]" : word
  }
}
