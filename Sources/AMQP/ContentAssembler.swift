/// Puts a method that carries content together with the header and body frames behind it: a value that needs no socket.
///
/// On one channel the frames of one content follow each other without another content between them (AMQP 0-9-1, 4.2.6).
struct ContentAssembler {
  /// What a finished content is.
  enum Content: Equatable {
    case delivery(Delivery)
    case returned(AMQPError, messageID: String?)

    static func == (left: Content, right: Content) -> Bool {
      switch (left, right) {
      case (.delivery(let delivery), .delivery(let other)): delivery.message == other.message && delivery.head == other.head
      case (.returned(let error, let id), .returned(let other, let otherID)): error == other && id == otherID
      default: false
      }
    }
  }

  private enum State {
    case idle
    case awaitingHeader(InboundMethod)
    case awaitingBody(InboundMethod, Message, remaining: UInt64)
  }

  /// Bodies above this are refused: nothing in a fleet sends one, and a length from the wire must not reserve memory at will.
  static let maximumBodySize: UInt64 = 128 << 20

  private var state = State.idle

  /// Whether a content is under way.
  var isIdle: Bool { if case .idle = state { true } else { false } }

  /// A `basic.deliver` or `basic.return` arrived.
  mutating func begin(_ method: InboundMethod) throws(AMQPError) {
    guard case .idle = state else { throw AMQPError(.invalid, "the broker began a message before the last one was complete") }
    state = .awaitingHeader(method)
  }

  /// A content header arrived; the content is finished when its body is empty.
  mutating func header(bodySize: UInt64, _ message: Message) throws(AMQPError) -> Content? {
    guard case .awaitingHeader(let method) = state else { throw AMQPError(.invalid, "the broker sent a content header without a method") }
    guard bodySize <= Self.maximumBodySize else {
      throw AMQPError(.invalid, "the broker announced a body of \(bodySize) bytes; at most \(Self.maximumBodySize) are accepted")
    }
    if bodySize == 0 {
      state = .idle
      return finished(method, message)
    }
    state = .awaitingBody(method, message, remaining: bodySize)
    return nil
  }

  /// A part of the body arrived.
  mutating func body(_ bytes: [UInt8]) throws(AMQPError) -> Content? {
    guard case .awaitingBody(let method, var message, let remaining) = state, UInt64(bytes.count) <= remaining else {
      throw AMQPError(.invalid, "the broker sent a body that no header announced")
    }
    state = .idle
    if message.body.isEmpty { message.body = bytes } else { message.body += bytes }
    if UInt64(bytes.count) == remaining { return finished(method, message) }
    state = .awaitingBody(method, message, remaining: remaining - UInt64(bytes.count))
    return nil
  }

  private func finished(_ method: InboundMethod, _ message: Message) -> Content? {
    switch method {
    case .deliver(let head): .delivery(Delivery(message: message, head: head))
    case .returned(let code, let text, let exchange, let routingKey):
      .returned(
        AMQPError(.returned(code: code), "no queue for routing key '\(routingKey)' of exchange '\(exchange)' (\(code) \(text))"),
        messageID: message.messageID)
    default: nil
    }
  }
}
