import AMQP
import HTTP

/// Why an operation failed, as far as its log lines differ.
enum Failure: Sendable, Equatable {
  /// No answer in time; the network layer's words.
  case timeout(String)
  /// No connection, or it broke; the network layer's words.
  case connection(String)
  /// The other side answered and refused, over HTTP or AMQP, with a status and a body.
  case refused(Transport, code: Int, response: String)

  /// Over what the refusal came.
  enum Transport: String, Sendable {
    case http = "HTTP"
    case amqp = "AMQP"
  }

  /// What HTTP's failure means here.
  init(_ error: HTTPClientError) {
    switch error.kind {
    case .connectTimeout, .readTimeout: self = .timeout(error.description)
    default: self = .connection(error.description)
    }
  }

  /// What the broker's failure means here.
  init(_ error: AMQPError) {
    switch error.kind {
    case .timeout: self = .timeout(error.message)
    case .returned(let code), .channelClosed(let code): self = .refused(.amqp, code: code, response: error.message)
    default: self = .connection(error.message)
    }
  }

  /// Whether the client token, or the client itself, is not accepted.
  var isAuthentication: Bool {
    guard case .refused(_, let code, _) = self else { return false }
    return code == 401 || code == 403
  }
}
