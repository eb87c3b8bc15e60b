import FleetProtocol
import MySQL
import ServiceRuntime

/// The table `fleet_events`: what waits to be published, and what happened. Written to by `FleetEvent.append`.
public struct FleetEventStore: Sendable {
  private let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// What `list` is to show.
  public struct Filter: Sendable {
    /// The types that it is about.
    public var pattern = EventPattern.everything
    /// One client's events; `nil` for all, those of no client included.
    public var clientID: String?
    /// Events written after this one.
    public var afterSeq: Int64?
    /// Events that happened within this time.
    public var within: Duration?
    /// Rows at most.
    public var limit = 100

    /// The newest hundred.
    public init() {}
  }

  // MARK: The outbox

  /// Whether an event waits to be published. One look into an index.
  func hasWaiting() async throws -> Bool {
    try await pool.withConnection { connection in
      try await !connection.query("SELECT 1 AS waits FROM fleet_events WHERE published_at IS NULL LIMIT 1").isEmpty
    }
  }

  /// Events that wait to be published, in the order of writing, those after `seq` only: what lies before was just published, and the index still has it.
  func waiting(after seq: Int64, limit: Int) async throws -> Listing<StoredEvent> {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        "SELECT \(StoredEvent.columns) FROM fleet_events WHERE published_at IS NULL AND seq > ? ORDER BY seq LIMIT ?",
        [.int(seq), .int(Int64(limit))])
    }
    return try Listing(rows, of: "fleet_events", StoredEvent.init)
  }

  /// Marks events as published; they are kept for a while (`prune`).
  func markPublished(_ seqs: [Int64]) async throws {
    guard !seqs.isEmpty else { return }
    var sql: SQLText = "UPDATE fleet_events SET published_at = NOW(3) WHERE published_at IS NULL AND seq IN ("
    sql.append(list: seqs.map { .int($0) })
    sql.append(sql: ")")
    let statement = sql
    try await pool.withConnection { connection in _ = try await connection.executeText(statement) }
  }

  /// Removes events that were published more than `days` ago, at most `limit` of them, oldest first; returns how many. Call it again while it returns `limit`.
  func prune(olderThanDays days: Int, limit: Int = 1000) async throws -> Int {
    try await pool.withConnection { connection in
      try await connection.execute(
        "DELETE FROM fleet_events WHERE published_at < NOW(3) - INTERVAL ? DAY ORDER BY published_at LIMIT ?",
        [.int(Int64(days)), .int(Int64(limit))]
      ).matchedRows
    }
  }

  // MARK: What happened

  /// The newest events that fit, in the order of writing; rows that cannot be read are told apart.
  public func list(_ filter: Filter) async throws -> Listing<StoredEvent> {
    var sql: SQLText = "SELECT seq, id, time, type, client_id, subject, data FROM fleet_events WHERE TRUE"
    if filter.pattern != .everything {
      sql.append(sql: " AND type IN (")
      sql.append(list: filter.pattern.types.map { .text($0.rawValue) })
      sql.append(sql: ")")
    }
    if let clientID = filter.clientID {
      sql.append(sql: " AND client_id = ")
      sql.append(.text(clientID))
    }
    if let seq = filter.afterSeq {
      sql.append(sql: " AND seq > ")
      sql.append(.int(seq))
    }
    if let within = filter.within {
      sql.append(sql: " AND time > NOW(3) - INTERVAL ")
      sql.append(.int(within.milliseconds * 1000))
      sql.append(sql: " MICROSECOND")
    }
    sql.append(sql: " ORDER BY seq DESC LIMIT ")
    sql.append(.int(Int64(filter.limit)))
    let statement = sql
    let rows = try await pool.withConnection { connection in try await connection.queryText(statement) }
    return try Listing(rows.reversed(), of: "fleet_events", StoredEvent.init)
  }

  /// The event with this id.
  public func find(id: String) async throws -> StoredEvent? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(StoredEvent.columns) FROM fleet_events WHERE id = ?", [.text(id)])
    }
    return try rows.map(StoredEvent.init).first { $0.id == id }
  }

  /// The number of the newest event; 0 when there is none.
  public func newestSeq() async throws -> Int64 {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT COALESCE(MAX(seq), 0) AS seq FROM fleet_events")
    }
    return Int64(try rows.first?.int("seq") ?? 0)
  }
}
