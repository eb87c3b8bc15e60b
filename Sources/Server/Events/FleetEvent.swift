import FleetProtocol
import MySQL
import ServiceRuntime

/// Something that happened in the fleet, for whoever subscribes to `fleet.events`: a row of `fleet_events` that is written in the transaction of the change
/// itself and published after it (`EventRelay`).
public struct FleetEvent: Sendable, Equatable {
  /// Two words, which are also the routing key: `agent.offline`, `command.succeeded`.
  public var type: String
  /// The client whose fleet it happened in.
  public var clientID: String?
  /// What it happened to: the id of the agent, command, rollout or client.
  public var subject: String
  /// What there is to know of it, an object.
  public var data: JSONValue

  /// An event; see the properties.
  public init(_ type: String, clientID: String?, subject: String, data: JSONValue) {
    self.type = type
    self.clientID = clientID
    self.subject = subject
    self.data = data
  }

  /// An event of a known type; see the properties.
  public init(_ type: EventType, clientID: String?, subject: String, data: JSONValue) {
    self.init(type.rawValue, clientID: clientID, subject: subject, data: data)
  }
}

extension FleetEvent {
  /// Rows of one statement.
  private static let rowsInStatement = 500

  /// Writes events inside the caller's transaction; after its commit the caller raises `WorkSignals.events`. Throws `MessageError` and `MySQLError`.
  static func append(_ events: [FleetEvent], on connection: Connection) async throws {
    try await append(events.map { (randomUUID(), $0) }, on: connection)
  }

  /// The same for a caller who needs to know the events' ids.
  static func append(_ events: [(id: String, event: FleetEvent)], on connection: Connection) async throws {
    for start in stride(from: 0, to: events.count, by: rowsInStatement) {
      let batch = events[start..<min(start + rowsInStatement, events.count)]
      var sql = SQLText(capacity: 128 + batch.count * 400)
      sql.append(sql: "INSERT INTO fleet_events (id, time, type, client_id, subject, data) VALUES ")
      for (index, entry) in batch.enumerated() {
        let (id, event) = entry
        sql.append(sql: index == 0 ? "(" : ", (")
        sql.append(.text(id))
        sql.append(sql: ", NOW(3), ")
        sql.append(.text(event.type))
        sql.append(sql: ", ")
        sql.append(Value(event.clientID))
        sql.append(sql: ", ")
        sql.append(.text(event.subject))
        sql.append(sql: ", ")
        sql.append(.text(String(decoding: try WireCoding.encodeJSON(event.data), as: UTF8.self)))
        sql.append(sql: ")")
      }
      try await connection.executeText(sql)
    }
  }
}
