import FleetProtocol

/// What one of the server's queues brings: one type of message, or several that the `type` property tells apart.
protocol InboxBody: Sendable {
  /// The values of `type` that are taken.
  static var types: [MessageType] { get }

  /// Decodes and checks a body of one of these types.
  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> Self
}

extension InboxBody where Self: FleetMessage {
  static var types: [MessageType] { [Self.type] }

  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> Self { try WireCoding.decode(Self.self, from: body) }
}

extension Heartbeat: InboxBody {}
extension RegistrationRequest: InboxBody {}
extension SpotNotice: InboxBody {}
