import ServiceRuntime

/// A request or message that was refused for its token or its client.
public struct AuthFailure: Sendable, Equatable {
  /// Which token the log may show a preview of.
  public enum TokenShown: Sendable, Equatable {
    /// The one that was given.
    case given(String)
    /// The one that the database has: a signature was made with another one, which is not known.
    case expected(String)

    /// `abc12345...xyz9`, or `not abc12345...xyz9`.
    var text: String {
      switch self {
      case .given(let token): tokenPreview(token)
      case .expected(let token): "not \(tokenPreview(token))"
      }
    }
  }

  /// 401 or 403.
  public var status: Int
  /// The words of the refusal: `Invalid client token`.
  public var reason: String
  /// What exactly was found, beyond those words; `nil` when there is no more to say.
  public var detail: String?
  /// Who is counted: an address, or a message's routing key.
  public var source: String
  /// What was asked for: the path of a request, or a message's routing key.
  public var endpoint: String
  /// The client, where it is known.
  public var clientID: String?
  /// The agent's id, where it is known.
  public var agentID: String?
  /// The token, where there is one.
  public var token: TokenShown?

  /// A failure; see the properties. The endpoint is the source unless it is given.
  public init(
    status: Int, reason: String, source: String, endpoint: String? = nil, clientID: String? = nil, agentID: String? = nil,
    token: TokenShown? = nil, detail: String? = nil
  ) {
    self.status = status
    self.reason = reason
    self.detail = detail
    self.source = source
    self.endpoint = endpoint ?? source
    self.clientID = clientID
    self.agentID = agentID
    self.token = token
  }

  /// `Invalid client token attempt - token: abc12345...xyz9, endpoint: /api/…`: the line that operators search for.
  var line: String {
    "\(reason) attempt - token: \(token?.text ?? "(none)"), endpoint: \(endpoint)" + (detail.map { " (\($0))" } ?? "")
  }
}
