import FleetProtocol
import HTTP

/// A call to the server that brought nothing usable.
enum ServerFailure: Error, Equatable {
  /// No answer, or a status that is no success.
  case failed(Operation, Failure)
  /// A success whose body cannot be used: another program answers there, or a proxy.
  case malformed(Operation, MessageError)
  /// We stopped it.
  case cancelled

  /// Whether trying again may help: the guide's agents repeat what got no answer, never what was refused.
  var isWorthRepeating: Bool {
    switch self {
    case .failed(_, .timeout), .failed(_, .connection): true
    case .failed(_, .refused), .malformed, .cancelled: false
    }
  }

  /// Whether the server refuses the token or the client.
  var isAuthentication: Bool {
    guard case .failed(_, let failure) = self else { return false }
    return failure.isAuthentication
  }
}
