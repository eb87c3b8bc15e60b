import Server
import ServiceRuntime

/// `spotctl configure`.
struct ConfigureCommands {
  /// Agents in one transaction: their rows are locked, and their commands written, in it.
  static let pageSize = 200

  let store: AgentStore
  let agents: AgentCommands
  let wakeUp: WakeUp
  let terminal: Terminal

  func change(_ invocation: Invocation) async throws {
    try agents.refuseAgentBesideTarget(invocation)
    let changes = try ConfigurationChanges(parsing: invocation.words)
    let target = try await agents.actedOn(invocation)
    if invocation.switches.contains("--dry-run") { return try await agents.showWhomItHits(target) }
    var total = 0
    var changed = 0
    var told = 0
    try await agents.forEachPage(target, size: Self.pageSize) { page in
      let outcome = try await store.configure(changes, agents: page.map(\.key))
      total += page.count
      changed += outcome.changed.count
      told += outcome.told.count
      for problem in outcome.problems { terminal.remark("\(problem)") }
    }
    var record = Record()
    record.add("agents", .number(total), listed: true)
    record.add("changed", .number(changed), listed: true)
    record.add("told_now", .number(told), listed: true)
    record.add("told_when_they_connect", .number(changed - told), listed: true)
    try terminal.show(record)
    if told > 0 { await wakeUp.send(terminal) }
  }
}
