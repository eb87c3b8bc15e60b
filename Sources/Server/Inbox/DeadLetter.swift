import AMQP
import FleetProtocol

/// A message that no worker could use, on its way to `fleet.dead`, with the reason and where it came from in its headers.
struct DeadLetter: Sendable {
  /// Header with the reason, in words.
  static let reasonHeader = "reason"
  /// Header with the routing key it was published with.
  static let routingKeyHeader = "original-routing-key"
  /// Longest reason, in characters: headers must fit one frame.
  static let longestReason = 1000

  let delivery: Delivery
  let reason: String
  /// Whether its own properties and headers are left out, because with them it cannot be sent: names that are not UTF-8 have grown beyond
  /// 255 bytes by being read, and headers that filled a frame leave no room for ours.
  var isBare = false

  init(_ letter: Unusable) {
    delivery = letter.delivery
    reason = String(letter.reason.prefix(Self.longestReason))
  }

  var publication: Publication {
    var message = isBare ? Message(body: delivery.message.body) : delivery.message
    // The broker allows the sender's name to the sender only (406), and a dead letter is kept until somebody has looked at it.
    message.userID = nil
    message.expiration = nil
    message.replyTo = nil
    message.persistent = true
    // These two the broker obeys: they name further queues.
    message.headers["CC"] = nil
    message.headers["BCC"] = nil
    message.headers[Self.reasonHeader] = .text(reason)
    message.headers[Self.routingKeyHeader] = .text(delivery.routingKey)
    // The exchange is a fanout: it needs no routing key, and a stranger's might be too long to be sent.
    return Publication(message, to: Topology.deadExchange, routingKey: isBare ? "" : delivery.routingKey, mandatory: true)
  }
}
