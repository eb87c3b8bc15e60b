import FleetProtocol

/// What was being done when something failed, as log lines name it.
struct Operation: Sendable, Equatable, CustomStringConvertible {
  /// `GET`, `POST`, or `PUBLISH` for a message.
  let method: String
  /// The full URL. For a message: the broker, the vhost and the routing key.
  let url: String

  /// `POST http://server:5000/api/broker/credentials`.
  var description: String { "\(method) \(url)" }

  /// A message to the inbox: `PUBLISH amqp://broker:5672/spot-optimizer/heartbeat.client.agent`. `broker` is its URL without a path.
  static func publish(_ routingKey: String, broker: String, virtualHost: String) -> Operation {
    Operation(method: "PUBLISH", url: "\(broker)/\(virtualHost)/\(routingKey)")
  }
}
