import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl commands …`: looking at commands and calling them off. Sending is in `CommandCommands+Send.swift`.
struct CommandCommands {
  let store: CommandStore
  let rollouts: RolloutStore
  let agents: AgentCommands
  let wakeUp: WakeUp
  let terminal: Terminal

  /// Rows of a list that does not say how many.
  private static let listed = 100

  func list(_ invocation: Invocation) async throws {
    var filter = CommandStore.Filter()
    if let word = invocation.values["--agent"] {
      var query = invocation
      query.arguments["AGENT"] = word
      filter.agentID = try await agents.find(query).id
    }
    if let word = invocation.values["--status"] {
      guard let status = CommandStatus(rawValue: word) else {
        throw UsageError(
          "--status is '\(printable(word))'; it must be one of \(CommandStatus.allCases.map(\.rawValue).joined(separator: ", "))",
          path: invocation.path)
      }
      filter.status = status
    }
    filter.rolloutID = invocation.values["--rollout"]
    filter.createdWithin = try invocation.duration("--since", in: 1...MessageLimits.longestSeconds)
    filter.limit = try invocation.integer("--limit", default: Self.listed, in: 1...10_000)
    if filter.agentID == nil, let word = invocation.values["--client"] { filter.clientID = try await agents.clients.find(word).account.id }
    let found = try await store.list(filter)
    // A rollout that was removed may have left its commands behind.
    if let id = filter.rolloutID, found.rows.isEmpty, found.problems.isEmpty, try await rollouts.find(id: id) == nil {
      throw Failure(.notFound, "there is no rollout '\(printable(id))'; see: spotctl rollouts list")
    }
    try terminal.show(found.rows.map { Record($0) }, empty: "No commands.")
    for problem in found.problems { terminal.remark("\(problem)") }
    if invocation.values["--limit"] == nil, found.rows.count + found.problems.count == filter.limit {
      terminal.remark("only the newest \(filter.limit) are shown; narrow it with --agent, --status or --since, or give a --limit")
    }
  }

  func show(_ invocation: Invocation) async throws { try await show(try await find(invocation.arguments["ID"] ?? "")) }

  /// Prints the row, and for people the output below it, in lines.
  func show(_ command: StoredCommand) async throws {
    let texts = try await store.outputTexts(id: command.id)
    guard !terminal.isJSON else { return try terminal.show(Record(command, texts: texts ?? (nil, nil))) }
    try terminal.show(Record(command))
    let text = CommandText()
    for (name, content, bytes) in [
      ("stdout", texts?.standardOutput, command.standardOutputBytes), ("stderr", texts?.standardError, command.standardErrorBytes),
    ] {
      guard let content, !content.isEmpty else { continue }
      let cut = Self.cut(content, bytes).map { "; \($0)" } ?? ""
      try text.write("\n\(name), \(bytes ?? content.utf8.count) bytes\(cut):\n", to: .standardOutput)
      // Shown to people whatever standard output is: `commands output` has it as it is.
      try text.write(CommandText.harmless(content) + (content.hasSuffix("\n") ? "" : "\n"), to: .standardOutput)
    }
  }

  func output(_ invocation: Invocation) async throws {
    let command = try await find(invocation.arguments["ID"] ?? "")
    let texts = try await store.outputTexts(id: command.id)
    let text = CommandText()
    if let output = command.output { try text.write("\(output)\n", to: .standardOutput) }
    for (stream, content, bytes) in [
      (CommandOutput.Stream.standardOutput, texts?.standardOutput, command.standardOutputBytes),
      (.standardError, texts?.standardError, command.standardErrorBytes),
    ] {
      guard let content else { continue }
      try text.write(content, to: stream)
      if let cut = Self.cut(content, bytes) { terminal.remark("\(stream.rawValue) had \(bytes ?? 0) bytes; \(cut)") }
    }
    guard command.status.isFinal else {
      throw Failure(.timedOut, "the command is \(command.status.rawValue); its output is stored when it has ended")
    }
  }

  func cancel(_ invocation: Invocation) async throws {
    let answers = try await store.requestCancel(ids: invocation.words)
    await wakeUp.send(terminal)
    var records: [Record] = []
    var unknown: [String] = []
    for id in invocation.words {
      guard let answer = answers[id], answer != .unknown else {
        unknown.append(id)
        continue
      }
      var record = Record()
      record.add("id", .text(id), listed: true)
      switch answer {
      case .cancelled: record.add("cancel", .text("cancelled before it was sent"), listed: true)
      case .requested:
        let what = try await whoEnds(id)
        record.add("cancel", .text("requested; \(what)"), listed: true)
      case .ended(let status): record.add("cancel", .text("none: it had ended as \(status.rawValue)"), listed: true)
      case .unknown: continue
      }
      records.append(record)
    }
    if !records.isEmpty { try terminal.show(records, empty: "") }
    if !unknown.isEmpty { throw Failure(.notFound, "there is no command \(unknown.map { "'\(printable($0))'" }.joined(separator: ", "))") }
  }

  /// Who ends a command that was called off after it had been sent.
  private func whoEnds(_ id: String) async throws -> String {
    let agent = try await agents.store.find(id: try await find(id).agentID)
    guard let agent, !agent.isReachable else { return "its agent is told" }
    return "its agent is \(agent.status.rawValue), and the server closes it"
  }

  func find(_ id: String) async throws -> StoredCommand {
    guard let command = try await store.find(id: id) else { throw Failure(.notFound, "there is no command '\(printable(id))'") }
    return command
  }

  /// What is not kept of an output is said, in its place in the text and here.
  private static func cut(_ text: String, _ bytes: Int?) -> String? {
    guard let bytes, bytes > text.utf8.count else { return nil }
    return "what was cut is marked in its place"
  }
}
