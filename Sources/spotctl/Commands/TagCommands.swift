import Server
import ServiceRuntime

/// `spotctl agents tag`.
struct TagCommands {
  let store: AgentStore
  let agents: AgentCommands
  let terminal: Terminal

  func change(_ invocation: Invocation) async throws {
    try agents.refuseAgentBesideTarget(invocation)
    let changes = try TagChanges(parsing: invocation.words)
    let target = try await agents.actedOn(invocation)
    if invocation.switches.contains("--dry-run") { return try await agents.showWhomItHits(target) }
    // Whom it hits is settled before the first change: a change of a tag may be what the expression asks for.
    var keys: [[Int64]] = []
    try await agents.forEachPage(target) { keys.append($0.map(\.key)) }
    var changed = 0
    for page in keys { changed += try await store.tag(changes, agents: page).count }
    var record = Record()
    record.add("agents", .number(keys.reduce(0) { $0 + $1.count }), listed: true)
    record.add("changed", .number(changed), listed: true)
    try terminal.show(record)
  }
}
