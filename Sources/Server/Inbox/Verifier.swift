import AMQP
import FleetProtocol
import ServiceRuntime
import SignedMessages

/// Decides what becomes of a message from the wire: a pure decision, given the accounts.
///
/// The broker is not trusted: it let the message in by its routing key, but who sent it is proved by the signature alone, keyed with the
/// client's token from MySQL. One verifier belongs to one consumer's task: it keeps a keyed HMAC context for each client, which is not
/// to be shared between threads.
final class Verifier<Body: InboxBody> {
  /// More clients than this at once start the contexts afresh; each is some hundred bytes.
  static var mostKeys: Int { 20_000 }

  /// More routing keys than this at once start their memory afresh; each is some 200 bytes.
  static var mostAddresses: Int { 100_000 }

  private let kind: MessageKind
  private var keys: [String: SigningKey] = [:]
  /// What was parsed before: a fleet's routing keys come again with every heartbeat.
  private var parsed: [String: (kind: MessageKind, address: AgentAddress)] = [:]

  init(_ kind: MessageKind) { self.kind = kind }

  /// The client whose account `verdict` needs; `nil` when the routing key names none.
  func clientID(of delivery: Delivery) -> String? {
    // What cannot be parsed gets its verdict without an account.
    try? parse(delivery.routingKey).address.clientID
  }

  private func parse(_ routingKey: String) throws(MessageError) -> (kind: MessageKind, address: AgentAddress) {
    if let known = parsed[routingKey] { return known }
    let result = try AgentAddress.parse(routingKey: routingKey)
    if parsed.count >= Self.mostAddresses { parsed = [:] }
    parsed[routingKey] = result
    return result
  }

  func verdict(_ delivery: Delivery, accounts: [String: Account]) -> Verdict<Body> {
    let address: AgentAddress
    do throws(MessageError) {
      let parsed = try parse(delivery.routingKey)
      guard parsed.kind == kind else {
        return unusable(delivery, "this version of the server has no use for messages of kind '\(parsed.kind.rawValue)'")
      }
      address = parsed.address
    } catch {
      return unusable(delivery, "routing key '\(delivery.routingKey)': \(error)")
    }
    guard let messageID = delivery.message.messageID else { return unusable(delivery, "it has no message_id") }
    guard let type = MessageType(rawValue: delivery.message.type ?? ""), Body.types.contains(type) else {
      let wanted = Body.types.map { "'\($0.rawValue)'" }.joined(separator: " or ")
      return unusable(delivery, "its type is '\(delivery.message.type ?? "")'; the routing key wants \(wanted)")
    }
    guard let account = accounts[address.clientID] else {
      return refused(delivery, .invalidToken, messageID, address, nil, "no client has the id '\(address.clientID)'", authentication: true)
    }
    // Anybody could sign with no token; the column allows it.
    guard !account.token.trimmingWhitespace().isEmpty else {
      return refused(
        delivery, .invalidToken, messageID, address, account, "client '\(account.id)' has an empty client_token", authentication: true)
    }
    do {
      try delivery.message.verifySignature(with: try key(of: account), routingKey: delivery.routingKey)
    } catch {
      return refused(delivery, .invalidToken, messageID, address, account, "\(error)", authentication: true)
    }
    guard account.isActive else {
      return refused(
        delivery, .inactiveClient, messageID, address, account, "client '\(account.id)' is disabled", authentication: true,
        agentID: senderID(type, delivery))
    }
    do throws(MessageError) {
      let body = try Body.decode(type, from: delivery.message.body)
      return .accepted(Verified(body: body, address: address, account: account, delivery: delivery))
    } catch {
      return .refused(
        Refusal(
          notice: ErrorNotice(error, messageID: messageID), delivery: delivery, address: address, account: account, reason: "\(error)",
          isAuthentication: false))
    }
  }

  /// Only for the log: a body that cannot be read names nobody.
  private func senderID(_ type: MessageType, _ delivery: Delivery) -> String? {
    do throws(MessageError) {
      return try Body.decode(type, from: delivery.message.body).senderID
    } catch {
      return nil
    }
  }

  private func key(of account: Account) throws(CryptoError) -> SigningKey {
    if let key = keys[account.token] { return key }
    if keys.count >= Self.mostKeys { keys = [:] }
    let key = try SigningKey(clientToken: account.token)
    keys[account.token] = key
    return key
  }

  private func unusable(_ delivery: Delivery, _ reason: String) -> Verdict<Body> { .unusable(Unusable(delivery: delivery, reason: reason)) }

  private func refused(
    _ delivery: Delivery, _ status: ErrorStatus, _ messageID: String, _ address: AgentAddress, _ account: Account?, _ reason: String,
    authentication: Bool, agentID: String? = nil
  ) -> Verdict<Body> {
    .refused(
      Refusal(
        notice: ErrorNotice(status, messageID: messageID), delivery: delivery, address: address, account: account, reason: reason,
        isAuthentication: authentication, agentID: agentID))
  }
}
