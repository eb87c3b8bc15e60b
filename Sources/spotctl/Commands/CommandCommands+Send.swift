import FleetProtocol
import Server
import ServiceRuntime

extension CommandCommands {
  /// How often a command that is waited for is looked at.
  private static let pollInterval: Duration = .milliseconds(50)
  /// Within which time a command is to be started, unless it says.
  private static let defaultDelivery = Duration.seconds(3600)
  /// How long a command is waited for beyond the time that it may run.
  private static let waitingMargin = Duration.seconds(30)
  /// The command that only `spotctl configure` writes, beside the configuration that the server keeps.
  private static let configure = "configure"
  private static let seconds = 1...MessageLimits.longestSeconds

  func send(_ invocation: Invocation) async throws {
    let isFollowed = invocation.switches.contains("--follow")
    if isFollowed, let other = ["--json", "--wait"].first(where: invocation.switches.contains) {
      throw UsageError("--follow prints the command's own output and waits for its end; leave \(other) out", path: invocation.path)
    }
    if invocation.arguments["NAME"] == Self.configure {
      throw UsageError("the server would not know of a configuration sent by hand; use: spotctl configure", path: [Self.configure])
    }
    let timeout = try invocation.duration("--timeout", in: Self.seconds) ?? .seconds(Command.defaultTimeoutSeconds)
    let waiting = try invocation.duration("--wait-for", in: Self.seconds) ?? timeout + Self.waitingMargin
    var draft = CommandDraft(agentID: "", clientID: nil, commandType: invocation.arguments["NAME"] ?? "")
    draft.parameters = try Self.parameters(invocation.arguments["JSON"])
    draft.priority = try invocation.integer("--priority", default: CommandPriority.normal, in: CommandPriority.range)
    draft.deliverWithin = try invocation.duration("--deliver-within", in: Self.seconds) ?? Self.defaultDelivery
    draft.timeoutSeconds = Int(timeout.components.seconds)
    draft.source = "spotctl"
    draft.streamsOutput = isFollowed
    let agent = try await agents.find(invocation)
    draft.agentID = agent.id
    draft.clientID = agent.address.clientID
    if isFollowed { return try await follow(draft, of: agent) }
    try await write(draft, for: agent)
    // Committed: from here on it is delivered, whether the dispatchers can be woken or not.
    if invocation.switches.contains("--wait") {
      async let woken: Void = wakeUp.send(terminal)
      let ended = try await waitOrSayHowToGoOn(draft.id, waiting)
      await woken
      try await show(ended)
      guard ended.status == .succeeded else {
        throw Failure(.failed, "the command ended as \(ended.status.rawValue)\(ended.error.map { ": \(printable($0))" } ?? "")")
      }
    } else {
      try terminal.show(Record(try await find(draft.id)))
      await wakeUp.send(terminal)
    }
  }

  private func write(_ draft: CommandDraft, for agent: Agent) async throws {
    do {
      _ = try await store.insert(draft)
    } catch let error as MessageError {
      throw Failure(.usage, "the command cannot be sent: \(error)")
    }
    if !agent.isReachable {
      let seen = agent.lastHeartbeatAt.map { "last seen \($0.localText)" } ?? "never seen"
      terminal.remark("the agent is \(agent.status.rawValue) (\(seen)); the command waits for it")
    }
  }

  /// Binds a queue for the output first, so that none of it comes before there is somebody to take it.
  private func follow(_ draft: CommandDraft, of agent: Agent) async throws {
    let client = try await agents.clients.find(agent.address.clientID)
    let ended = try await CommandFollower(store: store, environment: wakeUp.environment, terminal: terminal).follow(
      draft.id, of: agent, token: client.account.token
    ) {
      try await write(draft, for: agent)
      await wakeUp.send(terminal)
    }
    if let error = ended.error, ended.status != .succeeded {
      terminal.remark("the command ended as \(ended.status.rawValue): \(printable(error))")
    } else if ended.status != .succeeded {
      terminal.remark("the command ended as \(ended.status.rawValue)")
    }
    let code = Self.exitCode(of: ended)
    if code != ExitCode.done.rawValue { throw CommandsOwnEnd(exitCode: code) }
  }

  /// The command's own exit code where it has one; without one, the tool's for what became of it.
  static func exitCode(of command: StoredCommand) -> Int32 {
    switch command.status {
    case .succeeded: return ExitCode.done.rawValue
    case .timedOut: return ExitCode.timedOut.rawValue
    default:
      guard let code = command.exitCode, code != 0 else { return ExitCode.failed.rawValue }
      return Int32(code)
    }
  }

  /// When the task is cancelled the command goes on, and how to look at it and how to call it off is said.
  private func waitOrSayHowToGoOn(_ id: String, _ time: Duration) async throws -> StoredCommand {
    do {
      return try await wait(for: id, time)
    } catch {
      if Task.isCancelled {
        terminal.remark(
          "command \(id) goes on; look at it with: spotctl commands show \(id); call it off with: spotctl commands cancel \(id)")
      }
      throw error
    }
  }

  private func wait(for id: String, _ time: Duration) async throws -> StoredCommand {
    let deadline = ContinuousClock.now + time
    while true {
      let command = try await find(id)
      if command.status.isFinal { return command }
      guard ContinuousClock.now < deadline else {
        throw Failure(
          .timedOut,
          "the command is \(command.status.rawValue) after \(time.shortText) and goes on without you; see: spotctl commands show \(id)")
      }
      try await Task.sleep(for: Self.pollInterval)
    }
  }

  static func parameters(_ text: String?) throws(Failure) -> JSONValue {
    guard let text else { return .object([:]) }
    let value: JSONValue
    do throws(MessageError) {
      value = try WireCoding.decodeJSON(JSONValue.self, from: Array(text.utf8))
    } catch {
      // What the decoder says beyond that is no help.
      if error.problem.hasPrefix("is not valid JSON") {
        throw Failure(
          .usage,
          "the parameters '\(printable(String(text.prefix(40))))' are not valid JSON; quote them for the shell: '{\"key\": \"value\"}'")
      }
      throw Failure(
        .usage,
        "JSON \(error.field == "body" ? "" : "(at \(error.field)) ")\(error.problem); quote it for the shell: '{\"key\": \"value\"}'")
    }
    guard case .object = value else {
      throw Failure(.usage, "JSON is '\(printable(String(text.prefix(40))))'; it must be an object, such as '{\"key\": \"value\"}'")
    }
    return value
  }
}
