import FleetProtocol
import MySQL
import ServiceRuntime

// What every change of a command's status goes through: lock, ask the lifecycle, write row and event in one transaction.
//
// Rows are locked in one order everywhere, agents before commands and commands by `seq`, so that a dispatcher, a registration and the results of a batch
// do not wait for each other in a ring.
extension CommandStore {
  /// A row and what the lifecycle makes of it.
  struct Move: Sendable {
    let row: LockedCommand
    let transition: CommandLifecycle.Transition
  }

  /// Locks rows by their keys, in that order. `condition` is a further one that must still hold, such as ` AND run_until <= NOW(3)`.
  ///
  /// Rows that cannot be read are told apart; they are locked too.
  static func lock(
    _ seqs: some Collection<Int64>, _ condition: StaticString = "", skippingLocked: Bool = false, on connection: Connection
  ) async throws -> Listing<LockedCommand> {
    guard !seqs.isEmpty else { return Listing() }
    var sql: SQLText = "SELECT "
    sql.append(sql: LockedCommand.columns)
    // Told which index: with few rows that wait, one by status looks as good to the database, and locks them in its own order.
    sql.append(sql: " FROM commands FORCE INDEX (PRIMARY) WHERE seq IN (")
    sql.append(list: seqs.sorted().map { .int($0) })
    sql.append(sql: ")")
    sql.append(sql: condition)
    sql.append(sql: skippingLocked ? " ORDER BY seq FOR UPDATE SKIP LOCKED" : " ORDER BY seq FOR UPDATE")
    return try Listing(try await connection.queryText(sql), of: "commands", LockedCommand.init)
  }

  /// What `event` makes of rows; those that it changes nothing of are left out.
  static func moves(_ rows: [LockedCommand], by event: CommandLifecycle.Event) -> [Move] {
    rows.compactMap { row in row.lifecycle.transition(by: event).map { Move(row: row, transition: $0) } }
  }

  /// The clients and names of agents, for events. Read without a lock: neither ever changes.
  static func owners(of agentIDs: some Sequence<String>, on connection: Connection) async throws -> [String: CommandOwner] {
    let ids = Set(agentIDs)
    guard !ids.isEmpty else { return [:] }
    var sql: SQLText = "SELECT id, client_id, logical_agent_id FROM agents WHERE id IN ("
    sql.append(list: ids.sorted().map { .text($0) })
    sql.append(sql: ")")
    var owners: [String: CommandOwner] = [:]
    for row in try await connection.queryText(sql) {
      owners[try row.string("id")] = CommandOwner(
        clientID: try row.string("client_id"), logicalAgentID: try row.string("logical_agent_id"))
    }
    return owners
  }

  /// Ends locked rows for the server: status, time, reason and event.
  static func end(_ moves: [Move], _ reason: String, on connection: Connection) async throws {
    let reason = shortened(reason)
    for (status, group) in Dictionary(grouping: moves, by: \.transition.to) {
      var sql: SQLText = "UPDATE commands SET finished_at = NOW(3), lease_until = NULL, run_until = NULL, ended_by = "
      sql.append(.text(CommandEnder.server.rawValue))
      sql.append(sql: ", error = ")
      sql.append(.text(reason))
      sql.append(sql: ", status = ")
      sql.append(.text(status.rawValue))
      sql.append(sql: " WHERE seq IN (")
      sql.append(list: group.map { .int($0.row.seq) })
      sql.append(sql: ")")
      try await connection.executeText(sql)
    }
    try await tell(moves, reason, on: connection)
  }

  /// Writes the events of moves, but for those that are no news.
  static func tell(_ moves: [Move], _ error: String? = nil, on connection: Connection) async throws {
    let news = moves.filter(\.transition.isNews)
    let owners = try await owners(of: news.map(\.row.agentID), on: connection)
    let events = news.map { move in
      FleetEvent.command(
        move.row, move.transition.to.rawValue, owner: owners[move.row.agentID], corrects: move.transition.corrects, error: error)
    }
    try await FleetEvent.append(events, on: connection)
  }

  /// As long as a reason in `commands.error` may be.
  static func shortened(_ text: String) -> String { String(text.prefix(1000)) }

  /// The keys that a query of one column `seq` finds.
  func keys(_ sql: String, _ values: [Value]) async throws -> [Int64] {
    try await pool.withConnection { connection in
      try await connection.query(sql, values).map { Int64(try $0.int("seq")) }
    }
  }
}
