import AMQP
import FleetProtocol

/// A message of an agent whose signature holds and whose client is active.
///
/// A class, because it goes through several hands and a batch has thousands of them: each of those hands takes one reference and not its dozen.
final class Verified<Body: Sendable>: Sendable {
  let body: Body
  let address: AgentAddress
  let account: Account
  let delivery: Delivery

  init(body: Body, address: AgentAddress, account: Account, delivery: Delivery) {
    self.body = body
    self.address = address
    self.account = account
    self.delivery = delivery
  }
}

/// A message that the agent is told about: what it did wrong, in the guide's words.
struct Refusal: Sendable {
  let notice: ErrorNotice
  let delivery: Delivery
  /// Who it claims to be from.
  let address: AgentAddress
  /// The client's account, when there is one: the answer is signed with its token.
  let account: Account?
  /// For the log: more than the agent is told.
  let reason: String
  /// Whether it could not prove who sent it (401) or the client may not send (403).
  let isAuthentication: Bool
  /// The id of the agent's row, where it is known and the signature holds.
  var agentID: String?

  /// For the log: which agent it is, as far as the routing key does not show it, because operators search for either of its ids.
  var sender: String {
    let name = delivery.routingKey.contains(address.logicalAgentID) ? nil : "'\(address.logicalAgentID)'"
    let words = [agentID, name].compactMap(\.self)
    return words.isEmpty ? "" : "; agent \(words.joined(separator: " "))"
  }
}

/// A message that is no use to anybody, and why.
struct Unusable: Sendable {
  let delivery: Delivery
  let reason: String
}

/// What becomes of a message from the wire. The seldom ones lie apart, so that a batch of the others is a list of references.
enum Verdict<Body: InboxBody>: Sendable {
  case accepted(Verified<Body>)
  indirect case refused(Refusal)
  indirect case unusable(Unusable)

  /// The message that it is about.
  var delivery: Delivery {
    switch self {
    case .accepted(let message): message.delivery
    case .refused(let refusal): refusal.delivery
    case .unusable(let letter): letter.delivery
    }
  }
}
