import FleetProtocol
import MySQL
import ServiceRuntime

/// A row to be written to `system_events`.
public struct SystemEvent: Sendable, Equatable {
  /// How much an event matters.
  public enum Severity: String, Sendable { case info, warning, error }

  /// What happened, one word: `auth_failed`, `agent_offline`, …
  public var eventType: String
  /// How much it matters.
  public var severity: Severity
  /// The client it is about.
  public var clientID: String?
  /// The agent it is about (`agents.id`).
  public var agentID: String?
  /// Where it came from: an address, or an agent's name at the broker.
  public var source: String?
  /// One line for people, without secrets.
  public var message: String
  /// More of it, for programs.
  public var metadata: JSONValue?

  /// An event; see the properties.
  public init(
    _ eventType: String, severity: Severity = .info, clientID: String? = nil, agentID: String? = nil, source: String? = nil,
    message: String, metadata: JSONValue? = nil
  ) {
    self.eventType = eventType
    self.severity = severity
    self.clientID = clientID
    self.agentID = agentID
    self.source = source
    self.message = message
    self.metadata = metadata
  }
}

/// The table `system_events`.
public struct SystemEventStore: Sendable {
  private let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// Writes an event. Texts that are longer than their columns are cut: an event must not be lost because its source has a long name.
  public func insert(_ event: SystemEvent) async throws {
    try await pool.withConnection { connection in try await Self.insert(event, on: connection) }
  }

  /// The same inside the caller's transaction.
  static func insert(_ event: SystemEvent, on connection: Connection) async throws {
    let metadata = try event.metadata.map { String(decoding: try WireCoding.encodeJSON($0), as: UTF8.self) }
    let values: [Value] = [
      .text(cut(event.eventType, 64)), .text(event.severity.rawValue), Value(event.clientID.map { cut($0, 64) }),
      Value(event.agentID.map { cut($0, 64) }), Value(event.source.map { cut($0, 255) }), .text(cut(event.message, 4096)),
      Value(metadata),
    ]
    try await connection.execute(
      """
      INSERT INTO system_events (event_type, severity, client_id, agent_id, source, message, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)
      """, values)
  }

  /// Removes events older than `days`, at most `limit` of them, oldest first; returns how many. Call it again while it returns `limit`.
  public func prune(olderThanDays days: Int, limit: Int = 1000) async throws -> Int {
    try await pool.withConnection { connection in
      try await connection.execute(
        "DELETE FROM system_events WHERE timestamp < NOW(3) - INTERVAL ? DAY ORDER BY timestamp LIMIT ?",
        [.int(Int64(days)), .int(Int64(limit))]
      ).matchedRows
    }
  }

  /// By characters as the server counts them, which are Unicode's code points.
  private static func cut(_ text: String, _ most: Int) -> String {
    text.unicodeScalars.count <= most ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(most)))
  }
}
