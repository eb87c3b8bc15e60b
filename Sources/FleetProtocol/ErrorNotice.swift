/// The refusal of a message: type `error`, over direct reply-to, with the words that the HTTP API used.
///
/// A 401 cannot carry a signature that the agent can check, for the two do not hold the same token. An agent therefore takes a notice
/// whose signature fails as a hint to ask `POST /api/broker/credentials`, and never as an order.
public struct ErrorNotice: FleetMessage {
  /// `error`.
  public static let type = MessageType.error

  /// The status as in HTTP: 400, 401, 403, 404 or 409.
  public var status: Int
  /// What is wrong, in one line.
  public var error: String
  /// Field by field what was wrong with the message, at 400.
  public var details: [String: [String]]?
  /// The id of the message that was refused; the AMQP correlation id says the same.
  public var messageID: String

  /// A notice; see the properties.
  public init(status: Int, error: String, details: [String: [String]]? = nil, messageID: String) {
    self.status = status
    self.error = error
    self.details = details
    self.messageID = messageID
  }

  /// The notice of one of the known refusals.
  public init(_ status: ErrorStatus, details: [String: [String]]? = nil, messageID: String) {
    self.init(status: status.code, error: status.text, details: details, messageID: messageID)
  }

  /// The notice for a message that could not be decoded.
  public init(_ error: MessageError, messageID: String) {
    self.init(.validationFailed, details: [error.field: [error.problem]], messageID: messageID)
  }

  /// Lengths and ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.number(status, "status", in: 400...599)
    try MessageLimits.prose(error, "error", most: MessageLimits.errorBytes)
    try MessageLimits.text(messageID, "message_id", most: SignedEnvelope.longestName)
    try MessageLimits.count(details?.count ?? 0, "details", most: MessageLimits.errorDetails)
    for (field, problems) in details ?? [:] {
      try MessageLimits.count(problems.count, "details.\(shown(field))", most: MessageLimits.errorDetails)
      for problem in problems { try MessageLimits.prose(problem, "details.\(shown(field))", most: MessageLimits.errorBytes) }
    }
  }

  enum CodingKeys: String, CodingKey {
    case status, error, details
    case messageID = "message_id"
  }
}

/// The refusals that operators know by their words, over HTTP and AMQP alike.
public enum ErrorStatus: Sendable, CaseIterable {
  /// No token was given.
  case missingToken
  /// The token is nobody's, or the signature was not made with it.
  case invalidToken
  /// The client is switched off.
  case inactiveClient
  /// The server does not know the agent; it has to register.
  case unknownAgent
  /// The message is malformed; the details say where.
  case validationFailed
  /// A second process runs under the name of a living agent.
  case anotherAgent

  /// The number, as in HTTP.
  public var code: Int {
    switch self {
    case .missingToken, .invalidToken: 401
    case .inactiveClient: 403
    case .unknownAgent: 404
    case .validationFailed: 400
    case .anotherAgent: 409
    }
  }

  /// The words.
  public var text: String {
    switch self {
    case .missingToken: "Missing client token"
    case .invalidToken: "Invalid client token"
    case .inactiveClient: "Client account is not active"
    case .unknownAgent: "Agent not found"
    case .validationFailed: "Validation failed"
    case .anotherAgent: "Another agent runs under this logical id"
    }
  }
}
