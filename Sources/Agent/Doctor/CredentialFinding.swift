import Diagnosis
import FleetProtocol
import ServiceRuntime

/// What to say of the server's answer to the question for a credential.
enum CredentialFinding {
  private static let check = "credential"

  /// Of one that was given; `now` by the server's clock.
  static func given(_ reply: CredentialReply, now: Timestamp, took: Duration) -> Finding {
    let key: String
    do throws(MessageError) {
      key = try CredentialClaims(unverified: reply.credential).keyID
    } catch {
      return .fail(check, "\(error)", remedy: "on the server: spotctl doctor")
    }
    let left = reply.expiresAt.since(now)
    let measured =
      "for '\(printable(reply.logicalAgentID))', signed with the key '\(printable(key))', valid until \(reply.expiresAt.localText) "
      + "(\(hours(left)) of \(hours(.seconds(reply.credentialTTLSeconds)))), given in \(took.inMilliseconds)"
    guard left > .zero else { return .fail(check, "\(measured): it has run out", remedy: "on the server: timedatectl set-ntp true") }
    return .pass(check, measured)
  }

  /// Of one that was not given, in the words that the agent's log and the guide have.
  static func refusal(_ failure: ServerFailure, token: String) -> Finding {
    switch failure {
    case .failed(let operation, .refused(_, code: 401, let response)):
      return .fail(
        "client token", "HTTP error 401: \(operation): \(response); current token: \(token)",
        remedy: "set SPOT_OPTIMIZER_CLIENT_TOKEN to the client's token; on the server, previews of all: spotctl clients list")
    case .failed(let operation, .refused(_, code: 403, let response)):
      return .fail("client token", "HTTP error 403: \(operation): \(response)", remedy: "on the server: spotctl clients enable CLIENT")
    case .failed(let operation, .refused(_, let code, let response)):
      return .fail(check, "HTTP error \(code): \(operation): \(response)", remedy: "on the server: spotctl doctor")
    case .failed(let operation, .timeout(let detail)), .failed(let operation, .connection(let detail)):
      return .fail(check, "\(operation): \(detail)", remedy: "on the server: spotctl doctor")
    case .malformed(let operation, let problem):
      return .fail(
        check, "\(operation): the answer cannot be used: \(problem)",
        remedy: "see whether another program or a proxy answers there, and that the server is not older than this agent")
    case .cancelled: return .fail(check, "the question was cancelled", remedy: "spot-optimizer-agent doctor")
    }
  }

  /// `23 h 59 min`, `45 s`.
  private static func hours(_ duration: Duration) -> String {
    let seconds = max(0, duration.components.seconds)
    if seconds < 120 { return "\(seconds) s" }
    return seconds < 7200 ? "\(seconds / 60) min" : "\(seconds / 3600) h \(seconds % 3600 / 60) min"
  }
}
