import AMQP
import FleetProtocol
import ServiceRuntime
import SignedMessages

/// An answer over direct reply-to, signed with the client's token and bound to the request by its id.
///
/// It reaches the agent only while the connection it asked on lives (RabbitMQ, "Direct Reply-to"): at most once, which is enough,
/// because an agent that has no answer asks again.
enum Reply {
  /// The broker rewrites the agent's `amq.rabbitmq.reply-to` to a name that starts so. Any other name is not answered: an agent must not
  /// be able to make the server, which may publish anywhere, write to a queue of its choice.
  static let addressPrefix = Topology.replyToQueue + "."

  /// The publication that answers `request`; `nil` when the request names no place for answers.
  ///
  /// Throws when nothing can be said to it: an id that no signature can be bound to (control characters, not ASCII) is none of our agents'.
  static func publication(_ body: some FleetMessage, to request: Delivery, account: Account?, at now: Timestamp) throws -> Publication? {
    guard let replyTo = request.message.replyTo, replyTo.hasPrefix(addressPrefix), let requestID = request.message.messageID else {
      return nil
    }
    let type = Swift.type(of: body).type.rawValue
    var message = Message(
      body: try WireCoding.encode(body), contentType: "application/json", type: type, messageID: randomUUID(), persistent: false)
    message.correlationID = requestID
    message.timestamp = UInt64(clamping: now.seconds)
    if let account {
      try message.sign(with: SigningKey(clientToken: account.token), routingKey: SignedEnvelope.replyRoutingKey(to: requestID))
    }
    return Publication(message, to: "", routingKey: replyTo, mandatory: false)
  }
}
