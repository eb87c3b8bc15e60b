import FleetProtocol
import ServiceRuntime
import SignedMessages

@testable import AMQP
@testable import Server

/// Messages as an agent would send them, well made and not.
enum BenchMessage {
  static let token = "token-of-c1-0123456789"

  static func account(_ id: String = "c1", token: String = token, isActive: Bool = true) -> Account {
    Account(id: id, name: "Client \(id)", token: token, isActive: isActive)
  }

  static func heartbeat(_ agentID: String, sentAt: Timestamp = .now(), status: AgentStatus = .online, instances: [String] = []) -> Heartbeat
  {
    Heartbeat(agentID: agentID, status: status, monitoredInstances: instances, generation: 1, sentAt: sentAt)
  }

  /// A body signed with the client's token, with everything that the protocol wants.
  static func signed(
    _ body: [UInt8], type: String, routingKey: String, token: String = token, id: String = randomUUID(), at time: Timestamp = .now()
  ) throws -> Message {
    var message = Message(body: body, contentType: "application/json", type: type, messageID: id)
    message.timestamp = UInt64(clamping: time.seconds)
    message.replyTo = Topology.replyToQueue
    try message.sign(with: SigningKey(clientToken: token), routingKey: routingKey)
    return message
  }

  static func signed<Body: FleetMessage>(_ body: Body, routingKey: String, token: String = token, id: String = randomUUID()) throws
    -> Message
  {
    try signed(try WireCoding.encode(body), type: Body.type.rawValue, routingKey: routingKey, token: token, id: id)
  }

  /// As a consumer gets it: with the reply-to that the broker writes.
  static func delivery(_ message: Message, routingKey: String, tag: UInt64 = 1) -> Delivery {
    var message = message
    if message.replyTo == Topology.replyToQueue { message.replyTo = Reply.addressPrefix + "g1h2abcd.1234==" }
    return Delivery(message: message, exchange: Topology.inboxExchange, routingKey: routingKey, deliveryTag: tag, redelivered: false)
  }
}
