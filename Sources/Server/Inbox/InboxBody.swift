import FleetProtocol

/// What one of the server's queues brings: one type of message, or several that the `type` property tells apart.
protocol InboxBody: Sendable {
  /// The values of `type` that are taken.
  static var types: [MessageType] { get }

  /// Decodes and checks a body of one of these types.
  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> Self

  /// The same for the next body of an agent whose earlier ones are in `series`.
  static func decode(_ type: MessageType, from body: [UInt8], in series: inout HeartbeatSeries) throws(MessageError) -> Self

  /// The id of the sender's row, by its own word; `nil` when such a body names none.
  var senderID: String? { get }
}

extension InboxBody {
  /// What is no heartbeat is seldom like the one before.
  static func decode(_ type: MessageType, from body: [UInt8], in series: inout HeartbeatSeries) throws(MessageError) -> Self {
    try decode(type, from: body)
  }
}

extension InboxBody where Self: FleetMessage {
  static var types: [MessageType] { [Self.type] }

  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> Self { try WireCoding.decode(Self.self, from: body) }
}

extension Heartbeat: InboxBody {
  static func decode(_ type: MessageType, from body: [UInt8], in series: inout HeartbeatSeries) throws(MessageError) -> Heartbeat {
    try series.decode(body)
  }

  var senderID: String? { agentID }
}
extension SpotNotice: InboxBody {
  var senderID: String? { agentID }
}
