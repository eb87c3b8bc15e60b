import AMQP
import FleetProtocol

/// A message that no worker could use, on its way to `fleet.dead`, with the reason and where it came from in its headers.
enum DeadLetter {
  /// Header with the reason, in words.
  static let reasonHeader = "reason"
  /// Header with the routing key it was published with.
  static let routingKeyHeader = "original-routing-key"
  /// Longest reason: headers must fit one frame.
  static let longestReason = 1000

  static func publication(_ delivery: Delivery, reason: String) -> Publication {
    var message = delivery.message
    // The broker allows the sender's name to the sender only (406), and a dead letter is kept until somebody has looked at it.
    message.userID = nil
    message.expiration = nil
    message.replyTo = nil
    message.persistent = true
    message.headers[reasonHeader] = .text(String(reason.prefix(longestReason)))
    message.headers[routingKeyHeader] = .text(delivery.routingKey)
    return Publication(message, to: Topology.deadExchange, routingKey: delivery.routingKey, mandatory: true)
  }
}
