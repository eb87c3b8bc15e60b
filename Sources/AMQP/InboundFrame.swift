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
  case deliver(consumerTag: String, deliveryTag: UInt64, redelivered: Bool, exchange: String, routingKey: String)
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
