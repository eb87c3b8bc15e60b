import ServiceRuntime

/// The system's own tools, asked for a bundle: each answers within a time, and what it says is taken along, errors too.
public enum SystemTool {
  /// The end of a log that is taken along, in bytes.
  private static let logBytes = 1 << 20
  /// How long one of them may take.
  private static let limit = Duration.seconds(15)

  /// What one says.
  public static func answer(_ words: [String]) async -> String {
    let outcome = await ExternalCommand.run(words, limit: limit, mostBytes: logBytes)
    return outcome.text.isEmpty ? "(nothing, exit code \(outcome.code.map(String.init) ?? "none"))\n" : outcome.text
  }

  /// What several say, each below its command line.
  public static func answers(_ commands: [[String]]) async -> String {
    var text = ""
    for words in commands { text += "== \(words.joined(separator: " "))\n" + (await answer(words)) }
    return text
  }

  /// The end of a log file, when there is one: `path` is what the variable of that name says.
  public static func logFile(_ path: String?, _ variable: String) async -> String {
    guard let path else { return "\(variable) is not set; see journal.log\n" }
    return await answer(["tail", "--bytes=\(logBytes)", "--", path])
  }

  /// The end of a unit's journal.
  public static func journal(of unit: String) async -> String {
    await answer(["journalctl", "--no-pager", "--lines=5000", "--unit=\(unit)"])
  }
}
