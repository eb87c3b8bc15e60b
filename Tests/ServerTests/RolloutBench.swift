import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport

@testable import Server

/// What tests of rollouts do with a database: agents by the thousand, and the agents' part of a rollout's commands.
extension FleetDatabase {
  var rollouts: RolloutStore { RolloutStore(pool) }

  /// Writes the rows of agents `PREFIX-0`, `PREFIX-1`, … that have registered.
  func addAgents(_ count: Int, prefix: String = "agent", status: AgentStatus = .online) async throws {
    for start in stride(from: 0, to: count, by: 5000) {
      var sql: SQLText = "INSERT INTO agents (id, client_id, logical_agent_id, status, generation, queue, last_heartbeat_at) VALUES "
      for index in start..<min(start + 5000, count) {
        let name = "\(prefix)-\(index)"
        sql.append(sql: index == start ? "(" : ", (")
        sql.append(list: [.text(randomUUID()), "c1", .text(name), .text(status.rawValue), 1, .text("agent.c1.\(name).1")])
        sql.append(sql: ", NOW(3))")
      }
      let statement = sql
      _ = try await pool.withConnection { try await $0.executeText(statement) }
    }
  }

  /// Writes a rollout and its targets; returns its id.
  func start(
    target: String = "all", concurrency: String, maxErrors: String = "0", canary: String? = nil,
    _ change: (inout RolloutDraft) -> Void = { _ in }
  ) async throws -> String {
    var draft = RolloutDraft(commandType: "ping", target: target)
    draft.concurrency = RolloutShare(concurrency) ?? draft.concurrency
    draft.maxErrors = RolloutShare(maxErrors) ?? draft.maxErrors
    draft.canary = canary.flatMap { RolloutShare($0) }
    change(&draft)
    try await rollouts.create(draft)
    try await rollouts.prepare(draft.id)
    return draft.id
  }

  /// Steps until nothing more is to be done at once; returns all that was done.
  @discardableResult
  func advance(_ id: String) async throws -> RolloutStep {
    var sum = RolloutStep()
    while true {
      let step = try await rollouts.step(id, isThorough: true)
      sum.collected += step.collected
      sum.started += step.started
      sum.moved += step.moved
      sum.events += step.events
      if step.didNothing && !step.hasMore { return sum }
    }
  }

  /// Ends up to `count` commands of a rollout that are under way, in the agents' place; returns how many.
  @discardableResult
  func end(_ id: String, _ count: Int = 100_000, as status: CommandStatus = .succeeded, error: String? = nil, of agents: String = "%")
    async throws -> Int
  {
    try await pool.transaction { connection in
      try await connection.execute(
        """
        UPDATE commands SET status = ?, error = ?, finished_at = NOW(3) WHERE rollout_id = ? AND status IN ('pending', 'queued') \
        AND agent_id IN (SELECT id FROM agents WHERE logical_agent_id LIKE ?) ORDER BY seq LIMIT ?
        """, [.text(status.rawValue), Value(error), .text(id), .text(agents), .int(Int64(count))]
      ).matchedRows
    }
  }

  func rollout(_ id: String) async throws -> Rollout {
    guard let rollout = try await rollouts.find(id: id) else { throw BenchFailure(description: "there is no rollout \(id)") }
    return rollout
  }

  func inFlight(_ id: String) async throws -> Int {
    try await number(
      "SELECT COUNT(*) AS n FROM commands WHERE rollout_id = '\(id)' AND status IN ('pending', 'queued', 'delivered', 'running')")
  }

  /// The events about a rollout, in order.
  func events(about id: String) async throws -> [String] {
    try await sql("SELECT type FROM fleet_events WHERE subject = '\(id)' ORDER BY seq").map { try $0.string("type") }
  }

  /// Whether the counts in the row are those of the targets.
  func countsAreTrue(_ id: String) async throws -> Bool {
    var counted = RolloutCounts()
    for row in try await sql("SELECT state, COUNT(*) AS n FROM rollout_targets WHERE rollout_id = '\(id)' GROUP BY state") {
      guard let state = RolloutTargetState(rawValue: try row.string("state")) else { return false }
      counted[state] = try row.int("n")
    }
    return try await rollout(id).counts == counted
  }
}
