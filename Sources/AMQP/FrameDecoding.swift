import CRabbitMQ

/// librabbitmq's decoded methods to ours, and our properties to its. Everything is copied: the pointers die with the next read.
struct FrameDecoding {
  private var consumerTag = RepeatedText()
  private var exchange = RepeatedText()

  mutating func method(_ method: amqp_method_t) -> InboundMethod {
    guard let decoded = method.decoded else { return .unknown(method.id) }
    func arguments<T>(_ type: T.Type) -> T { decoded.assumingMemoryBound(to: type).pointee }
    switch method.id {
    case AMQP_BASIC_DELIVER_METHOD:
      let deliver = arguments(amqp_basic_deliver_t.self)
      return .deliver(
        DeliveryHead(
          consumerTag: consumerTag.text(deliver.consumer_tag), deliveryTag: deliver.delivery_tag, redelivered: deliver.redelivered != 0,
          exchange: exchange.text(deliver.exchange), routingKey: string(deliver.routing_key)))
    case AMQP_BASIC_ACK_METHOD:
      let ack = arguments(amqp_basic_ack_t.self)
      return .ack(tag: ack.delivery_tag, multiple: ack.multiple != 0)
    case AMQP_BASIC_NACK_METHOD:
      let nack = arguments(amqp_basic_nack_t.self)
      return .nack(tag: nack.delivery_tag, multiple: nack.multiple != 0)
    case AMQP_BASIC_RETURN_METHOD:
      let returned = arguments(amqp_basic_return_t.self)
      return .returned(
        code: Int(returned.reply_code), text: string(returned.reply_text), exchange: string(returned.exchange),
        routingKey: string(returned.routing_key))
    case AMQP_BASIC_CANCEL_METHOD: return .cancel(consumerTag: string(arguments(amqp_basic_cancel_t.self).consumer_tag))
    case AMQP_CHANNEL_CLOSE_METHOD:
      let close = arguments(amqp_channel_close_t.self)
      return .channelClose(code: Int(close.reply_code), text: string(close.reply_text))
    case AMQP_CONNECTION_CLOSE_METHOD:
      let close = arguments(amqp_connection_close_t.self)
      return .connectionClose(code: Int(close.reply_code), text: string(close.reply_text))
    case AMQP_CONNECTION_BLOCKED_METHOD: return .blocked(reason: string(arguments(amqp_connection_blocked_t.self).reason))
    case AMQP_CONNECTION_UNBLOCKED_METHOD: return .unblocked
    case AMQP_CHANNEL_FLOW_METHOD: return .channelFlow(active: arguments(amqp_channel_flow_t.self).active != 0)
    default: return Self.reply(method).map { .reply($0) } ?? .unknown(method.id)
    }
  }

  private static func reply(_ method: amqp_method_t) -> InboundMethod.Reply? {
    guard let decoded = method.decoded else { return nil }
    func arguments<T>(_ type: T.Type) -> T { decoded.assumingMemoryBound(to: type).pointee }
    switch method.id {
    case AMQP_CHANNEL_OPEN_OK_METHOD: return .channelOpened
    case AMQP_CHANNEL_CLOSE_OK_METHOD: return .channelClosed
    case AMQP_CONNECTION_CLOSE_OK_METHOD: return .connectionClosed
    case AMQP_EXCHANGE_DECLARE_OK_METHOD: return .exchangeDeclared
    case AMQP_EXCHANGE_DELETE_OK_METHOD: return .exchangeDeleted
    case AMQP_QUEUE_DECLARE_OK_METHOD:
      let queue = arguments(amqp_queue_declare_ok_t.self)
      return .queueDeclared(name: string(queue.queue), messageCount: Int(queue.message_count), consumerCount: Int(queue.consumer_count))
    case AMQP_QUEUE_BIND_OK_METHOD: return .queueBound
    case AMQP_QUEUE_UNBIND_OK_METHOD: return .queueUnbound
    case AMQP_QUEUE_PURGE_OK_METHOD: return .queuePurged(messageCount: Int(arguments(amqp_queue_purge_ok_t.self).message_count))
    case AMQP_QUEUE_DELETE_OK_METHOD: return .queueDeleted(messageCount: Int(arguments(amqp_queue_delete_ok_t.self).message_count))
    case AMQP_BASIC_QOS_OK_METHOD: return .prefetchSet
    case AMQP_CONFIRM_SELECT_OK_METHOD: return .confirmsSelected
    case AMQP_BASIC_RECOVER_OK_METHOD: return .recovered
    case AMQP_BASIC_CONSUME_OK_METHOD: return .consuming(consumerTag: string(arguments(amqp_basic_consume_ok_t.self).consumer_tag))
    case AMQP_BASIC_CANCEL_OK_METHOD: return .consumerCancelled(consumerTag: string(arguments(amqp_basic_cancel_ok_t.self).consumer_tag))
    default: return nil
    }
  }

  static func properties(_ message: Message, _ pool: inout amqp_pool_t) throws(AMQPError) -> amqp_basic_properties_t {
    var properties = amqp_basic_properties_t()
    func set(_ flag: Int32, _ name: String, _ text: String?, _ target: WritableKeyPath<amqp_basic_properties_t, amqp_bytes_t>)
      throws(AMQPError)
    {
      guard let text else { return }
      properties[keyPath: target] = try shortString(text, name, &pool)
      properties._flags |= amqp_flags_t(flag)
    }
    try set(AMQP_BASIC_CONTENT_TYPE_FLAG, "content type", message.contentType, \.content_type)
    try set(AMQP_BASIC_TYPE_FLAG, "message type", message.type, \.type)
    try set(AMQP_BASIC_MESSAGE_ID_FLAG, "message id", message.messageID, \.message_id)
    try set(AMQP_BASIC_CORRELATION_ID_FLAG, "correlation id", message.correlationID, \.correlation_id)
    try set(AMQP_BASIC_REPLY_TO_FLAG, "reply-to", message.replyTo, \.reply_to)
    try set(AMQP_BASIC_USER_ID_FLAG, "user id", message.userID, \.user_id)
    try set(AMQP_BASIC_APP_ID_FLAG, "app id", message.appID, \.app_id)
    try set(AMQP_BASIC_EXPIRATION_FLAG, "expiration", message.expiration, \.expiration)
    if let timestamp = message.timestamp {
      properties.timestamp = timestamp
      properties._flags |= amqp_flags_t(AMQP_BASIC_TIMESTAMP_FLAG)
    }
    if let priority = message.priority {
      properties.priority = priority
      properties._flags |= amqp_flags_t(AMQP_BASIC_PRIORITY_FLAG)
    }
    properties.delivery_mode = message.persistent ? 2 : 1
    properties._flags |= amqp_flags_t(AMQP_BASIC_DELIVERY_MODE_FLAG)
    if !message.headers.isEmpty {
      properties.headers = TableCoding.encode(message.headers, &pool)
      properties._flags |= amqp_flags_t(AMQP_BASIC_HEADERS_FLAG)
    }
    return properties
  }
}
