/// A message's content: body and basic properties (AMQP 0-9-1, 1.8).
public struct Message: Sendable, Equatable {
  /// The body's bytes.
  public var body: [UInt8]
  /// MIME type of the body.
  public var contentType: String?
  /// The application's name for what this message is.
  public var type: String?
  /// The application's identifier; a mandatory message without one is given one, because a return is recognized by it.
  public var messageID: String?
  /// Which request this answers.
  public var correlationID: String?
  /// Where an answer goes: a queue's name.
  public var replyTo: String?
  /// Seconds since 1970.
  public var timestamp: UInt64?
  /// The publisher's login. The broker refuses (406) what is not the connection's own.
  public var userID: String?
  /// The publishing program.
  public var appID: String?
  /// Time to live in milliseconds, as text.
  public var expiration: String?
  /// 0 to 255; only queues with `x-max-priority` heed it.
  public var priority: UInt8?
  /// Whether the broker keeps it on disk (delivery mode 2).
  public var persistent: Bool
  /// Header table.
  public var headers: FieldTable

  /// A message with this body; persistent unless said otherwise.
  public init(
    body: [UInt8], contentType: String? = nil, type: String? = nil, messageID: String? = nil, persistent: Bool = true,
    headers: FieldTable = [:]
  ) {
    self.body = body
    self.contentType = contentType
    self.type = type
    self.messageID = messageID
    self.persistent = persistent
    self.headers = headers
  }
}

/// A message that a consumer was given.
public struct Delivery: Sendable {
  /// The content.
  public let message: Message
  /// The exchange it was published to; empty for the default exchange.
  public let exchange: String
  /// The routing key it was published with.
  public let routingKey: String
  /// What `acknowledge` and `reject` take; valid on the channel that delivered it only.
  public let deliveryTag: UInt64
  /// Whether it was delivered before, to anybody.
  public let redelivered: Bool
}

/// A message on its way to an exchange.
public struct Publication: Sendable {
  /// The content.
  public var message: Message
  /// The exchange's name; empty for the default exchange.
  public var exchange: String
  /// The routing key, at most 255 bytes.
  public var routingKey: String
  /// Whether a message that fits no queue comes back (`AMQPError.Kind.returned`) instead of being dropped and confirmed.
  public var mandatory: Bool

  /// A publication.
  public init(_ message: Message, to exchange: String, routingKey: String, mandatory: Bool = true) {
    self.message = message
    self.exchange = exchange
    self.routingKey = routingKey
    self.mandatory = mandatory
  }
}
