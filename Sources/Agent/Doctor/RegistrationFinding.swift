import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

/// What to say of the server's answer to a probe.
enum RegistrationFinding {
  private static let check = "registration"

  /// Of an answer, or that there was none within `limit`. `blocked` is why the broker takes no messages, if it takes none.
  static func finding(_ answer: BrokerConversation.Answer, token: String, blocked: AMQPError?, limit: Duration) -> Finding {
    switch answer {
    case .probed(let reply, let took): return probed(reply, took)
    case .refused(let notice, let isSigned): return refused(notice, isSigned, token)
    case .unusable(let reason):
      return .fail(
        check, "an answer came that cannot be used: \(reason)", remedy: "compare SPOT_OPTIMIZER_CLIENT_TOKEN (\(token)) with the client's")
    case .silent:
      return .fail(
        check,
        "no answer within \(limit.components.seconds) s: no worker runs, or the server is older than this agent and does not know the question",
        remedy: "on the server: spotctl doctor (its line 'queue fleet.register'), or upgrade it first")
    case .failed(let error):
      if let blocked { return .fail(check, "\(blocked)", remedy: "on the broker: rabbitmqctl status (its alarms: memory or disk)") }
      if case .returned = error.kind {
        return .fail(check, "\(error)", remedy: "on the server: systemctl restart spot-optimizer-server, which declares its queues")
      }
      return .fail(check, "\(error)", remedy: "on the server: spotctl doctor")
    }
  }

  /// Of an agent that is alive on another instance; `nil` when it is not. One that is offline was merely replaced.
  static func otherInstance(_ reply: RegistrationProbeReply, here instanceID: String) -> Finding? {
    guard let other = reply.instanceID, other != instanceID, let status = reply.status, ![.offline, .deleted].contains(status) else {
      return nil
    }
    return .warn(
      check,
      "the agent of this name is alive on \(printable(other)), and this is \(printable(instanceID)): each start takes the other's place",
      remedy: "give each machine a LOGICAL_AGENT_ID of its own, or stop one of them")
  }

  private static func probed(_ reply: RegistrationProbeReply, _ took: Duration) -> Finding {
    let answered = "answered in \(took.inMilliseconds)"
    guard let agentID = reply.agentID else {
      return .pass(check, "\(answered): the server does not know '\(printable(reply.logicalAgentID))' yet and would register it")
    }
    let status = reply.status?.rawValue ?? "of an unknown status"
    let known = "\(answered): \(printable(agentID)), \(status), generation \(reply.generation ?? 0)"
    guard reply.outcome == .refused else { return .pass(check, "\(known)\(heartbeat(reply))") }
    return .fail(
      check, "\(known): another process has registered under this name after now, by the server's clock; a start would be refused with 409",
      remedy: "timedatectl set-ntp true, here and on the machine that has the name; or set LOGICAL_AGENT_ID to another")
  }

  private static func heartbeat(_ reply: RegistrationProbeReply) -> String {
    guard let time = reply.lastHeartbeatAt else { return ", never heard of" }
    return ", last heard of \(max(0, reply.serverTime.since(time).components.seconds)) s ago"
  }

  private static func refused(_ notice: ErrorNotice, _ isSigned: Bool, _ token: String) -> Finding {
    let measured = "AMQP error \(notice.status): \(ResponseText.of(notice))"
    switch notice.status {
    case ErrorStatus.invalidToken.code:
      return .fail(
        check, "\(measured); current token: \(token)",
        remedy: "set SPOT_OPTIMIZER_CLIENT_TOKEN to the client's token; on the server, previews of all: spotctl clients list")
    case ErrorStatus.inactiveClient.code where isSigned:
      return .fail(check, measured, remedy: "on the server: spotctl clients enable CLIENT")
    default: return .fail(check, isSigned ? measured : "\(measured) (not signed with our token)", remedy: "on the server: spotctl doctor")
    }
  }
}
