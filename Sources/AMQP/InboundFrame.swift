/// A frame from the broker, copied out of librabbitmq's buffers so that it may outlive the next read.
enum InboundFrame: Sendable {
  case method(channel: UInt16, InboundMethod)
  /// Content header: the size of the body that follows and the message with everything but its body.
  case header(channel: UInt16, bodySize: UInt64, Message)
  case body(channel: UInt16, [UInt8])
  /// AMQP's keep-alive; it tells us nothing but that the peer lives, which librabbitmq has noted.
  case heartbeat
}

/// The methods a client can be sent (AMQP 0-9-1 and RabbitMQ's extensions).
enum InboundMethod: Sendable, Equatable {
  case deliver(DeliveryHead)
  case returned(code: Int, text: String, exchange: String, routingKey: String)
  case ack(tag: UInt64, multiple: Bool)
  case nack(tag: UInt64, multiple: Bool)
  /// The broker ended a consumer.
  case cancel(consumerTag: String)
  case channelClose(code: Int, text: String)
  case connectionClose(code: Int, text: String)
  case blocked(reason: String)
  case unblocked
  /// RabbitMQ does not use it; the protocol wants an answer.
  case channelFlow(active: Bool)
  case reply(Reply)
  case unknown(UInt32)

  /// The answers to our own requests, which come in the order of the requests on a channel.
  enum Reply: Sendable, Equatable {
    case channelOpened, channelClosed, connectionClosed
    case exchangeDeclared, exchangeDeleted
    case queueDeclared(name: String, messageCount: Int, consumerCount: Int)
    case queueBound, queueUnbound, queuePurged(messageCount: Int), queueDeleted(messageCount: Int)
    case prefetchSet, confirmsSelected, recovered
    case consuming(consumerTag: String), consumerCancelled(consumerTag: String)
  }
}

/// What a `basic.deliver` says. A class, because it passes through several hands, with each frame of its content behind it, and in the end belongs to
/// the delivery: each of them takes one reference and not three texts.
final class DeliveryHead: Sendable, Equatable {
  let consumerTag: String
  let deliveryTag: UInt64
  let redelivered: Bool
  let exchange: String
  let routingKey: String

  init(consumerTag: String, deliveryTag: UInt64, redelivered: Bool, exchange: String, routingKey: String) {
    self.consumerTag = consumerTag
    self.deliveryTag = deliveryTag
    self.redelivered = redelivered
    self.exchange = exchange
    self.routingKey = routingKey
  }

  static func == (left: DeliveryHead, right: DeliveryHead) -> Bool {
    left.consumerTag == right.consumerTag && left.deliveryTag == right.deliveryTag && left.redelivered == right.redelivered
      && left.exchange == right.exchange && left.routingKey == right.routingKey
  }
}
