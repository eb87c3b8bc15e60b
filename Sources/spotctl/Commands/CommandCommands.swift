import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl commands …`.
struct CommandCommands {
  /// How often a command that is waited for is looked at.
  static let pollInterval: Duration = .milliseconds(50)
  /// How long it is waited for unless `--timeout` says so.
  static let defaultTimeout = 60

  let store: CommandStore
  let agents: AgentCommands
  let wakeUp: WakeUp
  let terminal: Terminal

  func send(_ invocation: Invocation) async throws {
    let priority = try invocation.integer("--priority", default: CommandPriority.normal, in: CommandPriority.range)
    let timeout = try invocation.integer("--timeout", default: Self.defaultTimeout, in: 1...MessageLimits.longestSeconds)
    let parameters = try Self.parameters(invocation.arguments["JSON"])
    let agent = try await agents.find(invocation)
    let id: String
    do {
      var draft = CommandDraft(
        agentID: agent.id, clientID: agent.address.clientID, commandType: invocation.arguments["NAME"] ?? "")
      draft.parameters = parameters
      draft.priority = priority
      draft.source = "spotctl"
      id = try await store.insert(draft)
    } catch let error as MessageError {
      throw Failure(.usage, "the command cannot be sent: \(error)")
    }
    let command = try await find(id)
    if agent.status != .online {
      let seen = agent.lastHeartbeatAt.map { "last seen \($0.localText)" } ?? "never seen"
      terminal.remark("the agent is \(agent.status.rawValue) (\(seen)); the command waits for it")
    }
    // Committed: from here on it is delivered, whether the dispatchers can be woken or not.
    if invocation.switches.contains("--wait") {
      async let woken: Void = wakeUp.send(terminal)
      let ended = try await wait(for: id, timeout)
      await woken
      try terminal.show(Record(ended))
      guard ended.status == .succeeded else {
        throw Failure(.failed, "the command ended as \(ended.status.rawValue)\(ended.error.map { ": \(printable($0))" } ?? "")")
      }
    } else {
      try terminal.show(Record(command))
      await wakeUp.send(terminal)
    }
  }

  func show(_ invocation: Invocation) async throws {
    try terminal.show(Record(try await find(invocation.arguments["ID"] ?? "")))
  }

  private func find(_ id: String) async throws -> StoredCommand {
    guard let command = try await store.find(id: id) else { throw Failure(.notFound, "there is no command '\(printable(id))'") }
    return command
  }

  private func wait(for id: String, _ timeout: Int) async throws -> StoredCommand {
    let deadline = ContinuousClock.now + .seconds(timeout)
    while true {
      let command = try await find(id)
      if command.status.isFinal { return command }
      guard ContinuousClock.now < deadline else {
        throw Failure(
          .timedOut,
          "the command is \(command.status.rawValue) after \(timeout) s and goes on without you; see: spotctl commands show \(id)")
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
