import FleetProtocol
import MySQL
import ServiceRuntime

/// Carries reactions out, in the transaction of the events themselves: either both are there, event and commands, or neither.
///
/// Rows are locked in one order, agents (by the caller) before reactions (by their id), and an event is written once however often it is reported;
/// so a reaction runs once for it. One that is broken is said so, in the log and in `system_events`, and hinders neither the event nor the others.
enum ReactionRunner {
  /// The time that a limit is for.
  private static let limitWindowSeconds: Int64 = 60

  /// What became of one event.
  private struct Run {
    let event: AgentEvent
    var commands = 0
    var heldBack = 0
    var problem: String?
  }

  /// Reacts to events that were just written on `connection`. Throws only what ends the transaction.
  static func run(_ events: [AgentEvent], on connection: Connection) async throws -> [ReactionReport] {
    guard !events.isEmpty else { return [] }
    var sql = SQLText(sql: "SELECT \(Reaction.columns) FROM reactions WHERE is_enabled = 1 AND event_type IN (")
    sql.append(list: Set(events.map(\.event.type)).map { .text($0) })
    sql.append(sql: ") ORDER BY id")
    var reports: [ReactionReport] = []
    for row in try await connection.queryText(sql) {
      let name = try row.string("name")
      let plan: ReactionPlan
      do {
        plan = try ReactionPlan(try Reaction(row))
      } catch let error where error is ReactionProblem || error is RowError {
        // Somebody edited the row by hand. Which of the events it would have been for is not known of a broken one.
        let event = events.first { $0.event.type == (try? row.string("event_type")) } ?? events[0]
        reports.append(try await broken(name, try row.string("id"), event, "\(error)", on: connection))
        continue
      }
      let mine = events.filter { plan.concerns($0.event.type, clientID: $0.event.clientID) }
      if let report = try await attempt(plan, mine, on: connection) { reports.append(report) }
    }
    return reports
  }

  /// Carries out one reaction; what it wrote before it failed is taken back, and the transaction goes on.
  private static func attempt(_ plan: ReactionPlan, _ events: [AgentEvent], on connection: Connection) async throws -> ReactionReport? {
    guard let first = events.first else { return nil }
    try await connection.executeText("SAVEPOINT reaction")
    do {
      return try await fire(plan, events, on: connection)
    } catch let error as MySQLError where error.kind != .statement || error.isRetryable {
      throw error
    } catch let error where error is MySQLError || error is MessageError || error is ReactionProblem || error is RowError {
      try await connection.executeText("ROLLBACK TO SAVEPOINT reaction")
      return try await broken(plan.reaction.name, plan.reaction.id, first, "\(error)", on: connection)
    }
  }

  private static func broken(
    _ name: String, _ id: String, _ event: AgentEvent, _ problem: String, on connection: Connection
  ) async throws -> ReactionReport {
    var report = ReactionReport(name)
    report.problem =
      "Reaction '\(printable(name))' could not be carried out for \(event.event.type) \(event.id) of agent \(event.event.subject): "
      + "\(problem) - make it anew with: spotctl reactions remove, add"
    try await write(
      "reaction_failed", .error, report.problem ?? "", event, ["reaction": .string(name), "event_id": .string(event.id)], on: connection)
    try await write([Run(event: event, problem: String(problem.prefix(1000)))], of: id, on: connection)
    return report
  }

  private static func fire(_ plan: ReactionPlan, _ events: [AgentEvent], on connection: Connection) async throws -> ReactionReport? {
    let reaction = plan.reaction
    let mine = try await fulfilling(plan.condition, events, on: connection)
    guard !mine.isEmpty else { return nil }
    // Held to the end of the transaction, so that several servers keep to one limit; and whoever has just switched it off has switched it off.
    let locked = try await connection.query("SELECT is_enabled FROM reactions WHERE id = ? FOR UPDATE", [.text(reaction.id)])
    guard try locked.first?.int("is_enabled") == 1 else { return nil }
    var left = try await remaining(reaction, on: connection)
    var report = ReactionReport(reaction.name)
    var drafts: [CommandDraft] = []
    var runs: [Run] = []
    for event in mine {
      let values = PlaceholderValues(eventID: event.id, type: plan.type, data: event.event.data)
      let found = try await targets(plan, event.event.subject, event.event.clientID, values, upTo: left, on: connection)
      for agent in found.agents { drafts.append(try plan.draft(for: agent.id, clientID: event.event.clientID, values)) }
      left -= found.agents.count
      runs.append(Run(event: event, commands: found.agents.count, heldBack: found.total - found.agents.count))
      if found.total == 0 { report.withoutTargetCount += 1 }
    }
    try await CommandStore.insert(drafts, on: connection)
    try await write(runs, of: reaction.id, on: connection)
    report.firingCount = mine.count
    report.commandCount = drafts.count
    report.heldBackCount = runs.reduce(0) { $0 + $1.heldBack }
    if report.heldBackCount > 0, let event = runs.first(where: { $0.heldBack > 0 })?.event {
      try await write(
        "reaction_limited", .warning,
        "Reaction '\(reaction.name)' has its limit of \(reaction.limitPerMinute) commands a minute: \(report.heldBackCount) were not written",
        event, ["reaction": .string(reaction.name), "held_back": .int(Int64(report.heldBackCount))], on: connection)
    }
    return report
  }

  /// The events whose agents fulfil the condition.
  static func fulfilling(_ condition: TargetExpression?, _ events: [AgentEvent], on connection: Connection) async throws -> [AgentEvent] {
    guard let condition = condition?.condition else { return events }
    var sql: SQLText = "SELECT a.agent_key FROM agents a WHERE a.agent_key IN ("
    sql.append(list: events.map { .int($0.agentKey) })
    sql.append(sql: ") AND (")
    condition.append(to: &sql)
    sql.append(sql: ")")
    let keys = Set(try await connection.queryText(sql).map { Int64(try $0.int("agent_key")) })
    return events.filter { keys.contains($0.agentKey) }
  }

  /// Commands that it may still write in the minute that ends now.
  static func remaining(_ reaction: Reaction, on connection: Connection) async throws -> Int {
    let rows = try await connection.query(
      "SELECT COALESCE(SUM(commands), 0) AS written FROM reaction_runs WHERE reaction_id = ? AND time > NOW(3) - INTERVAL ? SECOND",
      [.text(reaction.id), .int(limitWindowSeconds)])
    return max(0, reaction.limitPerMinute - (try rows.first?.int("written") ?? 0))
  }

  /// The agents that are to run the command, at most `limit`, and how many there would be. Of the event's client and of no other, whatever the target says.
  static func targets(
    _ plan: ReactionPlan, _ agentID: String, _ clientID: String?, _ values: PlaceholderValues, upTo limit: Int,
    on connection: Connection
  ) async throws -> (agents: [ReactionTarget], total: Int) {
    var condition: SQLText = " FROM agents a WHERE a.status <> 'deleted' AND a.client_id = "
    condition.append(Value(clientID))
    if let expression = try plan.target(values) {
      condition.append(sql: " AND (")
      expression.condition.append(to: &condition)
      condition.append(sql: ")")
    } else {
      condition.append(sql: " AND a.id = ")
      condition.append(.text(agentID))
    }
    var selection: SQLText = "SELECT a.id, a.client_id, a.logical_agent_id, a.status"
    selection.append(part: condition)
    selection.append(sql: " ORDER BY a.agent_key LIMIT ")
    // One more than may be taken tells whether there are more.
    selection.append(.int(Int64(limit) + 1))
    let found = try await connection.queryText(selection).map(ReactionTarget.init)
    guard found.count > limit else { return (found, found.count) }
    var counting: SQLText = "SELECT COUNT(*) AS number"
    counting.append(part: condition)
    let total = try await connection.queryText(counting).first?.int("number") ?? found.count
    return (Array(found.prefix(limit)), max(total, found.count))
  }

  private static func write(_ runs: [Run], of id: String, on connection: Connection) async throws {
    var sql: SQLText = "INSERT INTO reaction_runs (reaction_id, event_id, agent_id, commands, held_back, problem) VALUES "
    for (index, run) in runs.enumerated() {
      sql.append(sql: index == 0 ? "(" : ", (")
      sql.append(list: [
        .text(id), .text(run.event.id), .text(run.event.event.subject), .int(Int64(run.commands)), .int(Int64(run.heldBack)),
        Value(run.problem),
      ])
      sql.append(sql: ")")
    }
    try await connection.executeText(sql)
  }

  private static func write(
    _ type: String, _ severity: SystemEvent.Severity, _ message: String, _ event: AgentEvent, _ metadata: JSONValue,
    on connection: Connection
  ) async throws {
    try await SystemEventStore.insert(
      SystemEvent(
        type, severity: severity, clientID: event.event.clientID, agentID: event.event.subject, message: message, metadata: metadata),
      on: connection)
  }
}

/// An agent that a reaction hits.
public struct ReactionTarget: Sendable, Equatable {
  /// `agents.id`.
  public let id: String
  /// `agents.logical_agent_id`.
  public let logicalAgentID: String
  /// `agents.status`, as the row has it.
  public let status: String

  init(_ row: Row) throws {
    id = try row.string("id")
    logicalAgentID = try row.string("logical_agent_id")
    status = try row.string("status")
  }
}
