import CRabbitMQ
import ServiceRuntime

/// What the broker says of a queue.
public struct QueueStatus: Sendable, Equatable {
  /// The queue's name; the broker's choice when none was given.
  public let name: String
  /// Messages ready for delivery (those delivered and not acknowledged do not count).
  public let messageCount: Int
  /// Consumers on the queue.
  public let consumerCount: Int
}

/// A channel of a connection: requests and their replies, publishing with confirms, consumers.
///
/// An actor on its connection's event loop. When the broker closes it (a refused request: 403, 404, 406), everything waiting on it
/// fails with the reason; the connection lives on and another channel can be opened.
public actor Channel {
  let number: UInt16
  let connection: Connection
  let loop: EventLoop
  private let replyTimeout: Duration
  private var closeReason: AMQPError?
  private var pendingReplies: [CheckedContinuation<InboundMethod.Reply, any Error>] = []
  private var assembler = ContentAssembler()
  // Publishing (Channel+Publishing.swift)
  var confirmsEnabled = false
  var ledger = ConfirmLedger<PendingConfirm>()
  var lastMessageNumber: UInt64 = 0
  // Consuming (Channel+Consuming.swift)
  var consumers: [String: Consumer] = [:]
  var arrived: [Delivery] = []
  /// Whose the deliveries in `arrived` are.
  var receiver: Consumer?

  /// The loop's thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  init(number: UInt16, of connection: Connection, on loop: EventLoop, replyTimeout: Duration) {
    self.number = number
    self.connection = connection
    self.loop = loop
    self.replyTimeout = replyTimeout
  }

  func open() async throws(AMQPError) {
    _ = try await request(AMQP_CHANNEL_OPEN_METHOD) { _ in amqp_channel_open_t() }
  }

  /// Closes the channel: deliveries that were not acknowledged go back to their queues. Idempotent.
  public func close() async {
    guard closeReason == nil else { return }
    // A channel that cannot be closed in good order is closed with its connection; there is nothing to tell the caller.
    _ = try? await request(AMQP_CHANNEL_CLOSE_METHOD) { _ in
      amqp_channel_close_t(reply_code: 200, reply_text: amqp_empty_bytes, class_id: 0, method_id: 0)
    }
    connectionClosed(AMQPError(.closed, "the channel was closed by this program"))
    await connection.forget(number)
  }

  // MARK: Topology

  /// Declares an exchange, or checks that it is there as described (406 when it is not).
  public func declareExchange(_ name: String, kind: String, durable: Bool = true) async throws(AMQPError) {
    _ = try await request(AMQP_EXCHANGE_DECLARE_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_exchange_declare_t()
      arguments.exchange = try shortString(name, "exchange", &pool)
      arguments.type = try shortString(kind, "exchange type", &pool)
      arguments.durable = durable ? 1 : 0
      return arguments
    }
  }

  /// Checks that an exchange is there, of whatever kind; `.channelClosed(code: 404)` when there is none, which closes this channel.
  public func checkExchange(_ name: String) async throws(AMQPError) {
    _ = try await request(AMQP_EXCHANGE_DECLARE_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_exchange_declare_t()
      arguments.exchange = try shortString(name, "exchange", &pool)
      // A passive declaration looks at the name only, and yet must name a kind that exists.
      arguments.type = try shortString("direct", "exchange type", &pool)
      arguments.passive = 1
      return arguments
    }
  }

  /// Declares a queue, or checks that it is there as described (406 when it is not). An empty name lets the broker choose one.
  public func declareQueue(
    _ name: String, durable: Bool = true, exclusive: Bool = false, autoDelete: Bool = false, arguments: FieldTable = [:]
  ) async throws(AMQPError) -> QueueStatus {
    try await declare { pool throws(AMQPError) in
      var declaration = amqp_queue_declare_t()
      declaration.queue = try shortString(name, "queue", &pool)
      declaration.durable = durable ? 1 : 0
      declaration.exclusive = exclusive ? 1 : 0
      declaration.auto_delete = autoDelete ? 1 : 0
      declaration.arguments = TableCoding.encode(arguments, &pool)
      return declaration
    }
  }

  /// What the broker says of a queue; `.channelClosed(code: 404)` when there is none, which closes this channel.
  public func queueStatus(_ name: String) async throws(AMQPError) -> QueueStatus {
    try await declare { pool throws(AMQPError) in
      var declaration = amqp_queue_declare_t()
      declaration.queue = try shortString(name, "queue", &pool)
      declaration.passive = 1
      return declaration
    }
  }

  private func declare(_ arguments: @Sendable (inout amqp_pool_t) throws(AMQPError) -> amqp_queue_declare_t) async throws(AMQPError)
    -> QueueStatus
  {
    let reply = try await request(AMQP_QUEUE_DECLARE_METHOD, arguments)
    guard case .queueDeclared(let name, let messageCount, let consumerCount) = reply else { throw unexpected(reply) }
    return QueueStatus(name: name, messageCount: messageCount, consumerCount: consumerCount)
  }

  /// Deletes a queue with what is in it; one that is not there is no error.
  public func deleteQueue(_ name: String) async throws(AMQPError) {
    _ = try await request(AMQP_QUEUE_DELETE_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_queue_delete_t()
      arguments.queue = try shortString(name, "queue", &pool)
      return arguments
    }
  }

  /// Throws away what waits in a queue and returns how much that was.
  @discardableResult
  public func purgeQueue(_ name: String) async throws(AMQPError) -> Int {
    let reply = try await request(AMQP_QUEUE_PURGE_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_queue_purge_t()
      arguments.queue = try shortString(name, "queue", &pool)
      return arguments
    }
    guard case .queuePurged(let messageCount) = reply else { throw unexpected(reply) }
    return messageCount
  }

  /// Binds a queue to an exchange. Binding it twice is the same as once.
  public func bindQueue(_ queue: String, to exchange: String, routingKey: String) async throws(AMQPError) {
    _ = try await request(AMQP_QUEUE_BIND_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_queue_bind_t()
      arguments.queue = try shortString(queue, "queue", &pool)
      arguments.exchange = try shortString(exchange, "exchange", &pool)
      arguments.routing_key = try shortString(routingKey, "routing key", &pool)
      return arguments
    }
  }

  /// Removes a binding; one that is not there is no error (RabbitMQ since 3.2).
  public func unbindQueue(_ queue: String, from exchange: String, routingKey: String) async throws(AMQPError) {
    _ = try await request(AMQP_QUEUE_UNBIND_METHOD) { pool throws(AMQPError) in
      var arguments = amqp_queue_unbind_t()
      arguments.queue = try shortString(queue, "queue", &pool)
      arguments.exchange = try shortString(exchange, "exchange", &pool)
      arguments.routing_key = try shortString(routingKey, "routing key", &pool)
      return arguments
    }
  }

  // MARK: Requests

  /// Sends a method and waits for its reply; replies come in the order of the requests.
  func request<Arguments: BitwiseCopyable>(
    _ method: amqp_method_number_t, _ arguments: @Sendable (inout amqp_pool_t) throws(AMQPError) -> Arguments
  ) async throws(AMQPError) -> InboundMethod.Reply {
    try send(method, arguments)
    let timer = loop.schedule(after: replyTimeout) { [weak self, replyTimeout] in
      self?.assumeIsolated { channel in
        let error = AMQPError(.timeout, "the broker did not answer within \(replyTimeout.inSeconds)s")
        channel.connection.assumeIsolated { $0.replyOverdue(error) }
      }
    }
    defer { loop.cancel(timer) }
    do {
      return try await withCheckedThrowingContinuation { pendingReplies.append($0) }
    } catch let error as AMQPError {
      throw error
    } catch {
      throw AMQPError(.invalid, "\(error)")
    }
  }

  /// Sends a method that has no reply.
  func send<Arguments: BitwiseCopyable>(
    _ method: amqp_method_number_t, _ arguments: @Sendable (inout amqp_pool_t) throws(AMQPError) -> Arguments
  ) throws(AMQPError) {
    if let closeReason { throw closeReason }
    try connection.onSameLoop { connection throws(AMQPError) in try connection.send(method, channel: number, arguments) }
  }

  func checkOpen() throws(AMQPError) { if let closeReason { throw closeReason } }

  func unexpected(_ reply: InboundMethod.Reply) -> AMQPError { AMQPError(.invalid, "the broker answered with \(reply)") }

  // MARK: From the connection, on the loop's thread

  /// Takes frames in order; its consumers are given what they brought in one piece.
  func receive(_ frames: [InboundFrame]) throws(AMQPError) {
    defer { handOverDeliveries() }
    for frame in frames {
      switch frame {
      case .method(_, let method): try receive(method)
      case .header(_, let bodySize, let message):
        if let content = try assembler.header(bodySize: bodySize, message) { receive(content) }
      case .body(_, let bytes):
        if let content = try assembler.body(bytes) { receive(content) }
      case .heartbeat: break
      }
    }
  }

  private func receive(_ method: InboundMethod) throws(AMQPError) {
    switch method {
    case .deliver, .returned: try assembler.begin(method)
    case .ack(let tag, let multiple): settle(tag: tag, multiple: multiple, nacked: false)
    case .nack(let tag, let multiple): settle(tag: tag, multiple: multiple, nacked: true)
    case .cancel(let consumerTag): consumerCancelled(consumerTag)
    case .reply(let reply):
      guard !pendingReplies.isEmpty else { throw AMQPError(.invalid, "the broker answered what nobody asked: \(reply)") }
      // Registered here and not when the waiting task runs: deliveries may follow in the same read.
      if case .consuming(let consumerTag) = reply { beginConsuming(consumerTag) }
      pendingReplies.removeFirst().resume(returning: reply)
    default: return
    }
  }

  private func receive(_ content: ContentAssembler.Content) {
    switch content {
    case .delivery(let delivery): arrive(delivery)
    case .returned(let error, let messageID): ledger.returned(messageID: messageID, error: error)
    }
  }

  /// The channel or its connection is gone: everything that waits is told why.
  func connectionClosed(_ reason: AMQPError) {
    guard closeReason == nil else { return }
    closeReason = reason
    let replies = pendingReplies
    pendingReplies = []
    for reply in replies { reply.resume(throwing: reason) }
    failPublishes(reason)
    handOverDeliveries()
    for consumer in consumers.values { consumer.finish(reason) }
    consumers = [:]
  }
}
