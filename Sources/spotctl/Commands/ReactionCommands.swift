import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `spotctl reactions …`.
struct ReactionCommands {
  /// Within which time a command is to be started when nothing is said.
  private static let defaultWithin = 3600

  let store: ReactionStore
  let events: FleetEventStore
  let clients: ClientCommands
  let terminal: Terminal

  func add(_ invocation: Invocation) async throws {
    var reaction = Reaction(
      name: invocation.arguments["NAME"] ?? "", on: try Self.required("--on", invocation),
      target: try Self.required("--on-agents", invocation), run: try Self.required("--run", invocation))
    reaction.agentCondition = invocation.values["--where"]
    // Read and written again: an object, and whatever the shell's quotes made of it is seen here.
    reaction.parameters = String(
      decoding: try WireCoding.encodeJSON(try CommandCommands.parameters(invocation.arguments["JSON"])), as: UTF8.self)
    reaction.priority = try invocation.integer("--priority", default: Reaction.defaultPriority, in: CommandPriority.range)
    reaction.limitPerMinute = try invocation.integer("--limit", default: Reaction.defaultLimit, in: Reaction.limits)
    let seconds = 1...MessageLimits.longestSeconds
    reaction.deliverWithinSeconds =
      try invocation.duration("--within", in: seconds).map { Int($0.components.seconds) } ?? Self.defaultWithin
    reaction.timeoutSeconds = try invocation.duration("--timeout", in: seconds).map { Int($0.components.seconds) }
    if let word = invocation.values["--client"] { reaction.clientID = try await clients.find(word).account.id }
    do {
      try await store.add(reaction)
    } catch let error as ReactionProblem {
      throw Failure(.usage, "\(Self.options[error.part] ?? error.part) \(error.problem)")
    } catch let error as MySQLError where error.isDuplicateKey {
      throw Failure(
        .failed,
        "there is a reaction '\(printable(reaction.name))' already; remove it first: spotctl reactions remove \(printable(reaction.name))")
    }
    try await show(reaction.name)
  }

  func list() async throws {
    let listing = try await store.list()
    try terminal.show(
      listing.rows.map { Record($0) }, empty: "No reactions. Make one with: spotctl reactions add NAME --on agent.interruption …")
    for problem in listing.problems { terminal.remark("\(problem)") }
  }

  func show(_ invocation: Invocation) async throws { try await show(invocation.arguments["NAME"] ?? "") }

  func setEnabled(_ isEnabled: Bool, _ invocation: Invocation) async throws {
    let name = invocation.arguments["NAME"] ?? ""
    guard try await store.setEnabled(isEnabled, name) else { throw Self.unknown(name) }
    try await show(name)
  }

  func remove(_ invocation: Invocation) async throws {
    let name = invocation.arguments["NAME"] ?? ""
    guard try await store.remove(name) else { throw Self.unknown(name) }
    terminal.remark("the reaction '\(printable(name))' is removed; what it has written goes on")
  }

  func test(_ invocation: Invocation) async throws {
    let reaction = try await find(invocation.arguments["NAME"] ?? "").reaction
    let event = try await event(invocation.values["--event"], for: reaction)
    guard EventType(rawValue: event.type)?.isOfAgent == true else {
      throw Failure(
        .usage,
        "the event \(event.id) is a \(printable(event.type)), which is not about an agent; see: spotctl events --filter '\(printable(reaction.eventType))'"
      )
    }
    let rehearsal: ReactionStore.Rehearsal
    do {
      rehearsal = try await store.rehearse(reaction, on: event)
    } catch let error as ReactionProblem {
      throw Failure(.failed, "the reaction '\(printable(reaction.name))' cannot be carried out: \(error)")
    }
    let records = try rehearsal.targets.map { try Record($0, reaction, rehearsal.parameters) }
    try terminal.show(records, empty: "No agent would run anything.")
    terminal.remark(
      "\(event.type) of \(event.time.localText), event \(event.id), agent \(Self.agent(of: event)); nothing was changed")
    if !reaction.isEnabled { terminal.remark("the reaction is disabled: it does nothing until: spotctl reactions enable \(reaction.name)") }
    if !rehearsal.concerns {
      terminal.remark(
        "the reaction is for \(printable(reaction.eventType))\(reaction.clientID.map { " of client \(printable($0))" } ?? ""), the event is not"
      )
    } else if !rehearsal.fulfils {
      terminal.remark("the agent is gone, or does not fulfil --where \(printable(reaction.agentCondition ?? ""))")
    } else if rehearsal.total > rehearsal.targets.count {
      terminal.remark(
        "\(rehearsal.total - rehearsal.targets.count) more agents fit, and are held back by the limit of \(reaction.limitPerMinute) commands a minute"
      )
    }
  }

  // MARK: Finding

  private func show(_ name: String) async throws { try terminal.show(Record(try await find(name))) }

  private func find(_ name: String) async throws -> ReactionStore.Entry {
    guard let entry = try await store.find(name) else { throw Self.unknown(name) }
    return entry
  }

  private func event(_ id: String?, for reaction: Reaction) async throws -> StoredEvent {
    if let id {
      guard let event = try await events.find(id: id) else {
        throw Failure(.notFound, "there is no event '\(printable(id))' (any more); see: spotctl events --filter '\(reaction.eventType)'")
      }
      return event
    }
    var filter = FleetEventStore.Filter()
    filter.limit = 1
    filter.clientID = reaction.clientID
    do throws(EventPattern.Problem) {
      filter.pattern = try EventPattern(reaction.eventType)
    } catch {
      throw Failure(.failed, "the reaction's event_type cannot be used: \(error)")
    }
    guard let event = try await events.list(filter).rows.last else {
      throw Failure(.notFound, "there was no \(reaction.eventType) so far to test it on")
    }
    return event
  }

  /// The event's agent: its own name, and its id.
  private static func agent(of event: StoredEvent) -> String {
    let id = printable(event.subject ?? "-")
    guard case .string(let name)? = event.fields?["logical_agent_id"] else { return id }
    return "\(printable(name)) (\(id))"
  }

  private static func unknown(_ name: String) -> Failure {
    Failure(.notFound, "there is no reaction '\(printable(name))'; see: spotctl reactions list")
  }

  private static func required(_ option: String, _ invocation: Invocation) throws(UsageError) -> String {
    guard let value = invocation.values[option] else { throw UsageError("\(option) is missing", path: invocation.path) }
    return value
  }

  /// What people typed for the parts that the table has.
  private static let options = [
    "event_type": "--on", "agent_condition": "--where", "target": "--on-agents", "command_type": "--run", "parameters": "JSON",
    "name": "NAME",
  ]
}

extension Record {
  /// A row of `reactions`, with what it did.
  init(_ entry: ReactionStore.Entry) {
    let reaction = entry.reaction
    add("name", .text(reaction.name), listed: true)
    add("id", .text(reaction.id))
    add("is_enabled", .bool(reaction.isEnabled), listed: true)
    add("event_type", .text(reaction.eventType), listed: true)
    add("client_id", Cell(reaction.clientID), listed: true)
    add("agent_condition", Cell(reaction.agentCondition), listed: true)
    add("command_type", .text(reaction.commandType), listed: true)
    add("target", .text(reaction.target), listed: true)
    add("parameters", .json(reaction.parameters))
    add("priority", .number(reaction.priority))
    add("deliver_within_seconds", Cell(reaction.deliverWithinSeconds))
    add("timeout_seconds", Cell(reaction.timeoutSeconds))
    add("limit_per_minute", .number(reaction.limitPerMinute))
    add("created_at", .time(reaction.createdAt))
    add("commands", .number(entry.commands), listed: true)
    add("held_back", .number(entry.heldBack), listed: true)
    add("last_run_at", Cell(entry.lastRunAt), listed: true)
    add("last_problem", Cell(entry.lastProblem))
  }

  /// A command that a reaction would write.
  init(_ target: ReactionTarget, _ reaction: Reaction, _ parameters: JSONValue) throws(MessageError) {
    add("agent_id", .text(target.id), listed: true)
    add("logical_agent_id", .text(target.logicalAgentID), listed: true)
    add("status", .text(target.status), listed: true)
    add("command_type", .text(reaction.commandType), listed: true)
    add("parameters", .json(String(decoding: try WireCoding.encodeJSON(parameters), as: UTF8.self)), listed: true)
    add("priority", .number(reaction.priority), listed: true)
  }
}
