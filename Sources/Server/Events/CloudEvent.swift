import AMQP
import FleetProtocol
import ServiceRuntime

/// An event as a message: CloudEvents 1.0 in binary mode, by its AMQP binding ("AMQP Protocol Binding for CloudEvents", 1.0.2, 3.1).
///
/// That binding is written for AMQP 1.0. In 0-9-1, whose messages have no application properties, the attributes are headers of the same names, which is
/// also what RabbitMQ makes of them for consumers that speak AMQP 1.0. All values are texts in the canonical form: the timestamp of 0-9-1 has whole
/// seconds only. docs/events.md has the table.
public enum CloudEvent {
  /// What every attribute's header begins with (3.1.3.1).
  public static let prefix = "cloudEvents:"
  /// `specversion`.
  public static let specificationVersion = "1.0"
  /// `datacontenttype`, which is the property `content_type`.
  public static let contentType = "application/json"

  /// Where an event comes from: the client's fleet, or the installation. With the id it is unique, as the specification wants it.
  static func source(clientID: String?) -> String {
    clientID.map { "/spot-optimizer/clients/\(PercentEncoding.encode($0))" } ?? "/spot-optimizer"
  }

  /// The message of an event. Nobody need be bound for its type, so it is not mandatory.
  static func publication(_ event: StoredEvent) -> Publication {
    var headers: [(name: String, value: FieldValue)] = [
      ("specversion", specificationVersion), ("id", event.id), ("source", source(clientID: event.clientID)), ("type", event.type),
      ("time", event.time.iso8601), ("sequence", sequence(event.seq)),
    ].map { (prefix + $0, .text($1)) }
    if let subject = event.subject, !subject.isEmpty { headers.append((prefix + "subject", .text(subject))) }
    if let clientID = event.clientID { headers.append((prefix + "clientid", .text(clientID))) }
    var message = Message(
      body: Array(event.data.utf8), contentType: contentType, type: event.type, messageID: event.id, headers: FieldTable(headers))
    message.timestamp = UInt64(clamping: event.time.seconds)
    message.appID = "spot-optimizer-server/\(programVersion)"
    return Publication(message, to: Topology.eventsExchange, routingKey: event.type, mandatory: false)
  }

  /// The extension `sequence` (CloudEvents, "Sequence"): texts that sort as the events were written.
  private static func sequence(_ seq: Int64) -> String {
    let digits = String(seq)
    return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
  }

  /// Reads a message of `fleet.events` back; `nil` for what is no event, such as a wake-up.
  public static func event(of message: Message) -> StoredEvent? {
    func attribute(_ name: String) -> String? {
      guard case .text(let text)? = message.headers[prefix + name] else { return nil }
      return text
    }
    guard attribute("specversion") != nil, let id = attribute("id"), let type = attribute("type"),
      let time = attribute("time").flatMap({ Timestamp(text: $0) })
    else { return nil }
    return StoredEvent(
      seq: attribute("sequence").flatMap { Int64($0) } ?? 0, id: id, time: time, type: type, clientID: attribute("clientid"),
      subject: attribute("subject"), data: String(decoding: message.body, as: UTF8.self))
  }
}
