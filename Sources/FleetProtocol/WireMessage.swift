/// A JSON body that crosses the boundary between agent and server.
public protocol WireMessage: Codable, Sendable, Equatable {
  /// Checks what types alone do not say: lengths, counts, ranges. Called on every encode and decode.
  func validate() throws(MessageError)
}

/// A body that travels over AMQP, where the `type` property names it.
public protocol FleetMessage: WireMessage {
  /// The value of the AMQP `type` property.
  static var type: MessageType { get }
  /// Bytes a body may have; `MessageLimits.bodyBytes` unless the type says otherwise.
  static var bodyLimit: Int { get }
}

extension FleetMessage {
  /// The limit of most messages.
  public static var bodyLimit: Int { MessageLimits.bodyBytes }
}

/// Values of the AMQP `type` property.
public enum MessageType: String, Sendable, CaseIterable {
  /// `RegistrationRequest`, agent to server.
  case register
  /// `RegistrationReply`, server to agent over direct reply-to.
  case registered
  /// `RegistrationProbe`, agent to server.
  case probe
  /// `RegistrationProbeReply`, server to agent over direct reply-to.
  case probed
  /// `Heartbeat`, agent to server.
  case heartbeat
  /// `Command`, server to agent through the agent's queue.
  case command
  /// `CommandCancellation`, server to agent through the agent's queue.
  case cancel
  /// `CommandProgress`, agent to server.
  case progress
  /// `CommandResult`, agent to server.
  case result
  /// `CommandOutput`, agent to whoever follows the command.
  case output
  /// `SpotNotice`, agent to server.
  case notice
  /// `ErrorNotice`, server to agent over direct reply-to.
  case error
}

/// An enumeration on the wire, whose decoding error lists what would have been right.
public protocol WireEnum: RawRepresentable, CaseIterable, Codable, Sendable where RawValue == String {}

extension WireEnum {
  /// Decodes one of the known words.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let word = try container.decode(String.self)
    guard let value = Self(rawValue: word) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "is '\(shown(word))', which is none of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self = value
  }
}
