import FleetProtocol

/// What one of the server's queues brings: one type of message, or several that the `type` property tells apart.
protocol InboxBody: Sendable {
  /// The values of `type` that are taken.
  static var types: [MessageType] { get }

  /// Decodes and checks a body of one of these types.
  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> Self

  /// The id of the sender's row, by its own word; `nil` when such a body names none.
  var senderID: String? { get }
}

extension InboxBody where Self: FleetMessage {
  static var types: [MessageType] { [Self.type] }

  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> Self { try WireCoding.decode(Self.self, from: body) }
}

extension Heartbeat: InboxBody {
  var senderID: String? { agentID }
}
extension SpotNotice: InboxBody {
  var senderID: String? { agentID }
}
