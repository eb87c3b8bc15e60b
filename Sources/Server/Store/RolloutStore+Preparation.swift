import FleetProtocol
import MySQL
import ServiceRuntime

// Freezing the targets. A page at a time, each in a transaction of its own that also notes how far it came: whoever finds a rollout whose preparation was cut
// off goes on from there, and two that prepare the same one do not write a target twice.
extension RolloutStore {
  /// Agents of one transaction.
  public static let preparedAtOnce = 1000
  /// How long nobody has written a page of a rollout when a server takes its preparation over.
  static let preparationSilence = Duration.seconds(5)

  /// Writes down every target that is not yet; after it the rollout is scheduled or runs. Nothing happens to one that is prepared already.
  ///
  /// Throws `TargetSyntaxError` for a target that cannot be read.
  public func prepare(_ id: String) async throws {
    while try await preparePage(id) {}
  }

  /// Writes the next page; `false` when there is none left.
  func preparePage(_ id: String, limit: Int = preparedAtOnce) async throws -> Bool {
    try await pool.transaction { connection in
      guard let (locked, now) = try await Self.lock(id, on: connection), locked.state == .preparing else { return false }
      let target = try TargetExpression(parsing: locked.target)
      let page = try await AgentStore.select(target, after: locked.preparedTo, limit: limit, on: connection)
      if !page.isEmpty { try await Self.insert(page, of: id, on: connection) }
      var rollout = locked
      rollout.counts.waiting += page.count
      try await connection.execute(
        "UPDATE rollouts SET prepared_to = ?, prepared_at = NOW(3) WHERE id = ?", [.int(page.last?.key ?? locked.preparedTo), .text(id)])
      guard page.count < limit else {
        try await Self.save(rollout, on: connection)
        return true
      }
      try await Self.finishPreparation(&rollout, now, on: connection)
      return false
    }
  }

  private static func insert(_ page: [TargetedAgent], of id: String, on connection: Connection) async throws {
    var sql = SQLText(capacity: 256 + page.count * 200)
    sql.append(sql: "INSERT INTO rollout_targets (rollout_id, agent_key, place, agent_id, client_id, logical_agent_id) VALUES ")
    for (index, agent) in page.enumerated() {
      sql.append(sql: index == 0 ? "(" : ", (")
      sql.append(list: [.text(id), .int(agent.key)])
      // The same wherever it is worked out, and in no order.
      sql.append(sql: ", CRC32(")
      sql.append(.text("\(id).\(agent.key)"))
      sql.append(sql: "), ")
      sql.append(list: [.text(agent.id), .text(agent.clientID), .text(agent.logicalAgentID)])
      sql.append(sql: ")")
    }
    try await connection.executeText(sql)
  }

  /// The targets are known: so are the limits as numbers, and it may begin.
  private static func finishPreparation(_ rollout: inout Rollout, _ now: Timestamp, on connection: Connection) async throws {
    let policy = RolloutPolicy(
      concurrency: rollout.concurrency, maxErrors: rollout.maxErrors, canary: rollout.canary, total: rollout.counts.total)
    try await connection.execute(
      "UPDATE rollouts SET concurrency_limit = ?, error_limit = ?, canary_size = ?, canary_error_limit = ? WHERE id = ?",
      [
        .int(Int64(policy.concurrency)), .int(Int64(policy.tolerated)), .int(Int64(policy.canary)), .int(Int64(policy.toleratedInCanary)),
        .text(rollout.id),
      ])
    var events: [FleetEvent] = []
    if let startAt = rollout.startAt, startAt > now {
      rollout.state = .scheduled
    } else {
      events.append(rollout.begin(now))
    }
    try await save(rollout, on: connection)
    try await FleetEvent.append(events, on: connection)
  }
}

extension Rollout {
  /// Its time has come.
  mutating func begin(_ now: Timestamp) -> FleetEvent {
    state = .running
    startedAt = now
    giveUpAt = now.advanced(by: .seconds(lifetimeSeconds)).storable
    return event("rollout.started")
  }
}
