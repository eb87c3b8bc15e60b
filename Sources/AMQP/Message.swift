/// A message's content: body and basic properties (AMQP 0-9-1, 1.8).
///
/// Of a message that was received, a property is read from its bytes each time it is asked for.
public struct Message: Sendable, Equatable {
  /// The body's bytes.
  public var body: [UInt8]
  private var source: Source

  private enum Source: Sendable {
    case received(ReceivedProperties)
    /// Apart from the message, which is passed from hand to hand more often than it is asked for one of these.
    indirect case made(MessageProperties)
  }

  /// A message with this body; persistent unless said otherwise.
  public init(
    body: [UInt8], contentType: String? = nil, type: String? = nil, messageID: String? = nil, persistent: Bool = true,
    headers: FieldTable = [:]
  ) {
    self.body = body
    source = .made(
      MessageProperties(contentType: contentType, type: type, messageID: messageID, persistent: persistent, headers: headers))
  }

  /// A message from the broker whose body follows.
  init(_ received: ReceivedProperties) {
    body = []
    source = .received(received)
  }

  private var properties: MessageProperties {
    get {
      switch source {
      case .received(let received): MessageProperties(received)
      case .made(let properties): properties
      }
    }
    set { source = .made(newValue) }
  }

  private func read<Value>(_ received: (ReceivedProperties) -> Value, _ made: (MessageProperties) -> Value) -> Value {
    switch source {
    case .received(let properties): received(properties)
    case .made(let properties): made(properties)
    }
  }

  /// Equal body and properties, however they came about.
  public static func == (left: Message, right: Message) -> Bool { left.body == right.body && left.properties == right.properties }
}

// MARK: Properties

extension Message {
  /// MIME type of the body.
  public var contentType: String? {
    get { read({ $0.text(.contentType) }, { $0.contentType }) }
    set { properties.contentType = newValue }
  }

  /// The application's name for what this message is.
  public var type: String? {
    get { read({ $0.text(.type) }, { $0.type }) }
    set { properties.type = newValue }
  }

  /// The application's identifier; a mandatory message without one is given one, because a return is recognized by it.
  public var messageID: String? {
    get { read({ $0.text(.messageID) }, { $0.messageID }) }
    set { properties.messageID = newValue }
  }

  /// Which request this answers.
  public var correlationID: String? {
    get { read({ $0.text(.correlationID) }, { $0.correlationID }) }
    set { properties.correlationID = newValue }
  }

  /// Where an answer goes: a queue's name.
  public var replyTo: String? {
    get { read({ $0.text(.replyTo) }, { $0.replyTo }) }
    set { properties.replyTo = newValue }
  }

  /// Seconds since 1970.
  public var timestamp: UInt64? {
    get { read({ $0.timestamp }, { $0.timestamp }) }
    set { properties.timestamp = newValue }
  }

  /// The publisher's login. The broker refuses (406) what is not the connection's own.
  public var userID: String? {
    get { read({ $0.text(.userID) }, { $0.userID }) }
    set { properties.userID = newValue }
  }

  /// The publishing program.
  public var appID: String? {
    get { read({ $0.text(.appID) }, { $0.appID }) }
    set { properties.appID = newValue }
  }

  /// Time to live in milliseconds, as text.
  public var expiration: String? {
    get { read({ $0.text(.expiration) }, { $0.expiration }) }
    set { properties.expiration = newValue }
  }

  /// 0 to 255; only queues with `x-max-priority` heed it.
  public var priority: UInt8? {
    get { read({ $0.octet(.priority) }, { $0.priority }) }
    set { properties.priority = newValue }
  }

  /// Whether the broker keeps it on disk (delivery mode 2).
  public var persistent: Bool {
    get { read({ $0.octet(.deliveryMode) == 2 }, { $0.persistent }) }
    set { properties.persistent = newValue }
  }

  /// Header table.
  public var headers: FieldTable {
    get { read({ $0.headers }, { $0.headers }) }
    set { properties.headers = newValue }
  }

  /// The first header of that name, without a look at the others.
  public func header(_ name: String) -> FieldValue? { read({ $0.header(name) }, { $0.headers[name] }) }
}

/// A message that a consumer was given.
public struct Delivery: Sendable {
  /// The content.
  public let message: Message
  let head: DeliveryHead

  /// The exchange it was published to; empty for the default exchange.
  public var exchange: String { head.exchange }
  /// The routing key it was published with.
  public var routingKey: String { head.routingKey }
  /// What `acknowledge` and `reject` take; valid on the channel that delivered it only.
  public var deliveryTag: UInt64 { head.deliveryTag }
  /// Whether it was delivered before, to anybody.
  public var redelivered: Bool { head.redelivered }
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
