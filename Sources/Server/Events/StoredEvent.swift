import FleetProtocol
import MySQL
import ServiceRuntime

/// A row of `fleet_events`.
public struct StoredEvent: Sendable, Equatable {
  /// `fleet_events.seq`: the order of writing. Of two events of one subject, the later one has the greater number.
  public let seq: Int64
  /// `fleet_events.id`, a UUID: what makes two deliveries the same event.
  public let id: String
  /// When it happened, by the database's clock.
  public let time: Timestamp
  /// `agent.offline`; see `EventType`.
  public let type: String
  /// The client whose fleet it happened in.
  public let clientID: String?
  /// The id of what it happened to.
  public let subject: String?
  /// What there is to know, JSON as it was written.
  public let data: String

  static let columns = "seq, id, time, type, client_id, subject, data"

  /// An event; see the properties.
  public init(seq: Int64, id: String, time: Timestamp, type: String, clientID: String?, subject: String?, data: String) {
    self.seq = seq
    self.id = id
    self.time = time
    self.type = type
    self.clientID = clientID
    self.subject = subject
    self.data = data
  }

  init(_ row: Row) throws {
    seq = Int64(try row.int("seq"))
    id = try row.string("id")
    // A time that cannot be read (a zero date that a lenient session wrote) must not hold up the others.
    time = (try? row.timestamp("time")) ?? Timestamp(milliseconds: 0)
    type = try row.string("type")
    clientID = try row.optionalString("client_id")
    subject = try row.optionalString("subject")
    data = try row.string("data")
  }

  /// The data as an object; `nil` when the row holds no JSON.
  public var fields: JSONValue? {
    do throws(MessageError) {
      return try WireCoding.decodeJSON(JSONValue.self, from: Array(data.utf8))
    } catch {
      // Whoever needs the fields says what is missing.
      return nil
    }
  }
}
