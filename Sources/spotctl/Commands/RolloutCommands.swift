import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl rollouts …`: writes what is wanted; the servers do it.
struct RolloutCommands {
  /// Agents that a dry run names.
  static let shownInDryRun = 1000

  let store: RolloutStore
  let agents: AgentStore
  let wakeUp: WakeUp
  let terminal: Terminal
  let environment: Environment

  func start(_ invocation: Invocation) async throws {
    let draft = try draft(invocation)
    do throws(MessageError) {
      try draft.validate()
    } catch {
      throw Failure(.usage, "the rollout cannot be started: \(error)")
    }
    let target: TargetExpression
    do throws(TargetSyntaxError) {
      target = try TargetExpression(parsing: draft.target)
    } catch {
      throw Failure(.usage, "\(error)")
    }
    let count = try await agents.count(target)
    guard count > 0 else {
      throw Failure(.notFound, "no agent fits the target '\(printable(draft.target))'; try it with: spotctl agents list --target")
    }
    let policy = RolloutPolicy(concurrency: draft.concurrency, maxErrors: draft.maxErrors, canary: draft.canary, total: count)
    if invocation.switches.contains("--dry-run") { return try await dryRun(draft, target, count, policy) }
    try await store.create(draft)
    terminal.remark("\(count) agent\(count == 1 ? "" : "s"): \(Self.plan(policy))")
    do {
      try await store.prepare(draft.id)
    } catch {
      terminal.remark("rollout \(draft.id) is written; a server goes on with writing its targets down, and starts it")
      throw error
    }
    try terminal.show(Record(try await find(draft.id)))
    await wakeUp.send(terminal)
  }

  func list(_ invocation: Invocation) async throws {
    var state: RolloutState?
    if let word = invocation.values["--state"] {
      guard let known = RolloutState(rawValue: word) else {
        throw Failure(
          .usage, "--state is '\(printable(word))'; it must be one of \(RolloutState.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      state = known
    }
    let listing = try await store.list(state: state)
    try terminal.show(listing.rows.map { Record($0) }, empty: "No rollouts.")
    for problem in listing.problems { terminal.remark("\(problem)") }
  }

  func status(_ invocation: Invocation) async throws {
    let id = invocation.arguments["ID"] ?? ""
    guard invocation.switches.contains("--follow") else {
      let progress = try await progress(id)
      try terminal.show(Record(progress))
      guard !terminal.isJSON else { return }
      try terminal.write(RolloutLine(progress).text + "\n" + Self.waiting(progress) + RolloutLine.errors(progress))
      return
    }
    try await RolloutFollower(terminal: terminal) { try await progress(id) }.run()
  }

  func pause(_ invocation: Invocation) async throws {
    try await order(invocation) { id in try await store.pause(id, reason: "paused by \(operatorName)") }
  }

  func resume(_ invocation: Invocation) async throws {
    try await order(invocation) { id in try await store.resume(id) }
  }

  func cancel(_ invocation: Invocation) async throws {
    let keepRunning = invocation.switches.contains("--keep-running")
    try await order(invocation) { id in
      try await store.cancel(id, keepRunning: keepRunning, reason: "cancelled by \(operatorName)")
    }
  }

  func retry(_ invocation: Invocation) async throws {
    try await order(invocation) { id in try await store.retry(id) }
  }

  private func order(_ invocation: Invocation, _ give: (String) async throws -> Rollout?) async throws {
    let id = invocation.arguments["ID"] ?? ""
    let rollout: Rollout?
    do {
      rollout = try await give(id)
    } catch let error as RolloutOrderError {
      throw Failure(.failed, "\(error)")
    }
    guard let rollout else { throw Self.unknown(id) }
    try terminal.show(Record(rollout))
    await wakeUp.send(terminal)
  }

  private func find(_ id: String) async throws -> Rollout {
    guard let rollout = try await store.find(id: id) else { throw Self.unknown(id) }
    return rollout
  }

  private func progress(_ id: String) async throws -> RolloutProgress {
    guard let progress = try await store.progress(id) else { throw Self.unknown(id) }
    return progress
  }

  /// A line about why the agents that are waited for do not get their command; empty when none is waited for.
  static func waiting(_ progress: RolloutProgress) -> String {
    var parts: [String] = []
    if progress.offline > 0 { parts.append("\(progress.offline) offline") }
    if progress.disabled > 0 { parts.append("\(progress.disabled) disabled (spotctl configure … enabled=true)") }
    return parts.isEmpty ? "" : "  waited for: \(parts.joined(separator: ", "))\n"
  }

  private static func unknown(_ id: String) -> Failure {
    Failure(.notFound, "there is no rollout '\(printable(id))'; see: spotctl rollouts list")
  }

  /// Who sits at the terminal, as far as it is known.
  private var operatorName: String { String((environment["SUDO_USER"] ?? environment["USER"] ?? "an operator").prefix(100)) }

  private func dryRun(_ draft: RolloutDraft, _ target: TargetExpression, _ count: Int, _ policy: RolloutPolicy) async throws {
    let hit = try await agents.select(target, after: 0, limit: Self.shownInDryRun)
    try terminal.show(
      hit.map { agent in
        var record = Record()
        record.add("id", .text(agent.id), listed: true)
        record.add("client_id", .text(agent.clientID), listed: true)
        record.add("logical_agent_id", .text(agent.logicalAgentID), listed: true)
        record.add("status", .text(agent.status), listed: true)
        return record
      }, empty: "No agents.")
    if count > hit.count { terminal.remark("only the first \(hit.count) are shown") }
    terminal.remark(
      "'\(printable(draft.commandType))' would run on \(count) agent\(count == 1 ? "" : "s"): \(Self.plan(policy)). Nothing was written")
  }

  private static func plan(_ policy: RolloutPolicy) -> String {
    let first = policy.canary > 0 ? "\(policy.canary) first (tolerating \(policy.toleratedInCanary) errors), then " : ""
    return "\(first)\(policy.concurrency) at a time, tolerating \(policy.tolerated) errors"
  }
}

extension RolloutCommands {
  private func draft(_ invocation: Invocation) throws -> RolloutDraft {
    guard let target = invocation.values["--target"] else {
      throw UsageError("--target is missing: whom to run it on, such as 'tag:role=worker' or all", path: invocation.path)
    }
    var draft = RolloutDraft(commandType: invocation.arguments["NAME"] ?? "", target: target)
    draft.parameters = try CommandCommands.parameters(invocation.arguments["JSON"])
    if let share = try Self.share(invocation, "--concurrency") { draft.concurrency = share }
    if draft.concurrency.isZero {
      throw UsageError("--concurrency is \(draft.concurrency); nothing would ever start", path: invocation.path)
    }
    if let share = try Self.share(invocation, "--max-errors") { draft.maxErrors = share }
    draft.canary = try Self.share(invocation, "--canary")
    if let text = invocation.values["--at"] { draft.start = try Self.start(text) }
    draft.priority = try invocation.integer("--priority", default: CommandPriority.normal, in: CommandPriority.range)
    let seconds = 1...MessageLimits.longestSeconds
    if let time = try invocation.duration("--timeout", in: seconds) { draft.timeoutSeconds = Int(time.components.seconds) }
    if let time = try invocation.duration("--deliver-within", in: seconds) { draft.deliverWithinSeconds = Int(time.components.seconds) }
    if let time = try invocation.duration("--until", in: seconds) { draft.lifetimeSeconds = Int(time.components.seconds) }
    draft.createdBy = operatorName
    return draft
  }

  private static func share(_ invocation: Invocation, _ option: String) throws(UsageError) -> RolloutShare? {
    guard let text = invocation.values[option] else { return nil }
    guard let share = RolloutShare(text) else {
      throw UsageError(
        "\(option) is '\(printable(text))'; it must be a number such as 50 or a percentage of the targets such as 10%",
        path: invocation.path)
    }
    return share
  }

  /// `+10m` from now, by the database's clock, or a moment.
  private static func start(_ text: String) throws(UsageError) -> RolloutDraft.Start {
    if text.hasPrefix("+") {
      return .after(try DurationWord.parse(String(text.dropFirst()), "--at (behind the +)", in: 1...MessageLimits.longestSeconds))
    }
    // MySQL's form would be understood too, but it does not say in which zone it is.
    guard text.contains("T"), let moment = Timestamp(text: text) else {
      throw UsageError(
        "--at is '\(printable(text))'; it must be a time with its zone, such as 2026-01-31T05:00:00Z or 2026-01-31T05:00:00+01:00, or +10m from now"
      )
    }
    return .at(moment)
  }
}
