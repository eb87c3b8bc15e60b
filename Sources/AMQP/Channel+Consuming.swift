import CRabbitMQ

extension Channel {
  /// Limits how many deliveries each consumer started after this holds without acknowledging them (`basic.qos`, per consumer).
  public func setPrefetch(_ count: UInt16) async throws(AMQPError) {
    _ = try await request(AMQP_BASIC_QOS_METHOD) { _ in amqp_basic_qos_t(prefetch_size: 0, prefetch_count: count, global: 0) }
  }

  /// Starts a consumer. Without `noAck`, the prefetch bounds what it holds and every delivery is acknowledged or rejected by the caller.
  ///
  /// Errors: `.channelClosed(code: 404)` no such queue, `403` not allowed or exclusively consumed by another.
  public func consume(_ queue: String, noAck: Bool = false, exclusive: Bool = false) async throws(AMQPError) -> Consumer {
    let reply = try await request(AMQP_BASIC_CONSUME_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_basic_consume_t()
      arguments.queue = try shortString(queue, "queue", &pool)
      arguments.no_ack = noAck ? 1 : 0
      arguments.exclusive = exclusive ? 1 : 0
      return arguments
    }
    guard case .consuming(let consumerTag) = reply else { throw unexpected(reply) }
    // The broker may already have ended it again, in the same read as its answer.
    guard let consumer = consumers[consumerTag] else { throw AMQPError(.consumerCancelled, "the broker ended the consumer of '\(queue)'") }
    return consumer
  }

  /// Ends a consumer; what it holds unacknowledged stays so until the channel is closed.
  public func cancel(_ consumer: Consumer) async throws(AMQPError) {
    _ = try await request(AMQP_BASIC_CANCEL_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_basic_cancel_t()
      arguments.consumer_tag = try shortString(consumer.tag, "consumer tag", &pool)
      return arguments
    }
    handOverDeliveries()
    consumers.removeValue(forKey: consumer.tag)?.finish(AMQPError(.closed, "the consumer was cancelled by this program"))
  }

  /// Tells the broker that a delivery, or with `multiple` every one up to it on this channel, is done with.
  public func acknowledge(_ deliveryTag: UInt64, multiple: Bool = false) throws(AMQPError) {
    try send(AMQP_BASIC_ACK_METHOD) { _ in amqp_basic_ack_t(delivery_tag: deliveryTag, multiple: multiple ? 1 : 0) }
  }

  /// Gives a delivery back to its queue, or drops it (to the queue's dead-letter exchange, if it has one).
  public func reject(_ deliveryTag: UInt64, requeue: Bool) throws(AMQPError) {
    try send(AMQP_BASIC_REJECT_METHOD) { _ in amqp_basic_reject_t(delivery_tag: deliveryTag, requeue: requeue ? 1 : 0) }
  }

  func beginConsuming(_ consumerTag: String) { consumers[consumerTag] = Consumer(tag: consumerTag) }

  func consumerCancelled(_ consumerTag: String) {
    handOverDeliveries()
    consumers.removeValue(forKey: consumerTag)?.finish(
      AMQPError(.consumerCancelled, "the broker ended the consumer: its queue was deleted or its node is gone"))
  }

  func arrive(_ delivery: Delivery) {
    if receiver?.tag != delivery.head.consumerTag {
      handOverDeliveries()
      receiver = consumers[delivery.head.consumerTag]
    }
    // Without one: the consumer was cancelled, and what is on its way is for nobody.
    if receiver != nil { arrived.append(delivery) }
  }

  /// Gives a consumer what one read brought in one piece: its task wakes once a read and not once a message.
  func handOverDeliveries() {
    if let receiver, !arrived.isEmpty { receiver.push(arrived) }
    arrived = []
    receiver = nil
  }
}
