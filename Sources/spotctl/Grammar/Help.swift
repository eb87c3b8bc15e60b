/// The help texts, made from the table.
struct Help: Sendable {
  let table: [CommandSpec]

  init(_ table: [CommandSpec] = CommandSpec.all) { self.table = table }

  /// The help of what a path names: nothing (the whole tool), a group or a command.
  func text(_ path: [String]) -> String {
    if let spec = table.first(where: { $0.path == path }) { return command(spec) }
    return overview(path)
  }

  private func overview(_ group: [String]) -> String {
    let specs = table.filter { $0.path.starts(with: group) }
    let words = specs.map { ($0.path + $0.arguments.map(\.placeholder)).joined(separator: " ") }
    var lines = ["Usage: spotctl \((group + ["COMMAND"]).joined(separator: " ")) [OPTIONS]", ""]
    if group.isEmpty {
      lines += ["The operator's tool of Spot Optimizer.", ""]
    }
    lines += ["Commands:"] + aligned(zip(words, specs.map(\.summary)))
    lines += ["", "Examples:"] + specs.compactMap(\.examples.first).map { "  \($0)" }
    if group.isEmpty { lines += Self.footer }
    return lines.joined(separator: "\n") + "\n"
  }

  private func command(_ spec: CommandSpec) -> String {
    var lines = ["Usage: spotctl \(spec.synopsis)", "", spec.summary]
    if !spec.arguments.isEmpty { lines += ["", "Arguments:"] + aligned(spec.arguments.map { ($0.name, $0.help) }) }
    let options = spec.options.map { ($0.name + ($0.value.map { " \($0)" } ?? ""), $0.help) } + [("--help", "Print this.")]
    lines += ["", "Options:"] + aligned(options)
    lines += ["", "Examples:"] + spec.examples.map { "  \($0)" }
    let more = table.filter { $0.path.starts(with: spec.path) && $0.path.count > spec.path.count }
    if !more.isEmpty { lines += ["", "See also:"] + aligned(more.map { ("spotctl \($0.path.joined(separator: " "))", $0.summary) }) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func aligned(_ pairs: some Sequence<(String, String)>) -> [String] {
    let pairs = Array(pairs)
    let width = pairs.map(\.0.count).max() ?? 0
    return pairs.map { "  \($0)\(String(repeating: " ", count: width - $0.count + 2))\($1)" }
  }

  private static let footer =
    [
      "", "Every command has --help; --json prints a JSON array for programs.", "",
      "Environment: that of spot-optimizer-server. The database: DB_HOST, DB_PORT, DB_USER, DB_PASSWORD,",
      "DB_NAME, DB_SSL_CA. The broker (to wake the dispatchers, and to follow): AMQP_URL, AMQP_CA_FILE.", "", "Exit codes:",
    ] + ExitCode.allCases.map { "  \($0.rawValue)  \($0.meaning)" }
}
