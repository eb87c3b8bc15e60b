import FleetProtocol

/// What comes through `fleet.register`.
enum RegistrationMessage: Sendable, Equatable {
  /// Type `register`: an agent is to be known.
  case request(RegistrationRequest)
  /// Type `probe`: somebody asks what a registration would bring.
  case probe(RegistrationProbe)
}

extension RegistrationMessage: InboxBody {
  static let types = [RegistrationRequest.type, RegistrationProbe.type]

  static func decode(_ type: MessageType, from body: [UInt8]) throws(MessageError) -> RegistrationMessage {
    type == RegistrationProbe.type
      ? .probe(try WireCoding.decode(RegistrationProbe.self, from: body))
      : .request(try WireCoding.decode(RegistrationRequest.self, from: body))
  }

  var senderID: String? { nil }
}
