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

  /// More agents than this at once start their memory afresh; each is some 800 bytes.
  static var mostSenders: Int { 100_000 }

  /// An agent whose messages came before: a fleet's routing keys come again with every heartbeat, and nearly the same bodies with them.
  final class Sender {
    let kind: MessageKind
    let address: AgentAddress
    fileprivate var series = HeartbeatSeries()

    fileprivate init(routingKey: String) throws(MessageError) { (kind, address) = try AgentAddress.parse(routingKey: routingKey) }
  }

  private let kind: MessageKind
  private let types = Body.types
  private var keys: [String: SigningKey] = [:]
  /// The one of `keys` that was used last: agents of one client come in runs.
  private var lastKey: (token: String, key: SigningKey)?
  private var senders: [String: Sender] = [:]

  init(_ kind: MessageKind) { self.kind = kind }

  /// Who sent each of these, by its own word.
  func senders(of deliveries: [Delivery]) -> [Result<Sender, MessageError>] { deliveries.map { sender(of: $0) } }

  private func sender(of delivery: Delivery) -> Result<Sender, MessageError> {
    Result { () throws(MessageError) in try sender(delivery.routingKey) }
  }

  /// The clients whose accounts `verdict` needs for messages of these; a routing key that names none gets its verdict without an account.
  static func clientIDs(of senders: [Result<Sender, MessageError>]) -> Set<String> {
    var clients: Set<String> = []
    var last: String?
    for case .success(let sender) in senders where sender.address.clientID != last {
      clients.insert(sender.address.clientID)
      last = sender.address.clientID
    }
    return clients
  }

  private func sender(_ routingKey: String) throws(MessageError) -> Sender {
    if let known = senders[routingKey] { return known }
    let sender = try Sender(routingKey: routingKey)
    if senders.count >= Self.mostSenders { senders = [:] }
    senders[routingKey] = sender
    return sender
  }

  func verdict(_ delivery: Delivery, accounts: [String: Account]) -> Verdict<Body> {
    verdict(delivery, from: sender(of: delivery), accounts: accounts)
  }

  /// The verdict on a message of that sender, which is the one that its routing key names.
  func verdict(_ delivery: Delivery, from sender: Result<Sender, MessageError>, accounts: [String: Account]) -> Verdict<Body> {
    let known: Sender
    do throws(MessageError) {
      known = try sender.get()
      guard known.kind == kind else {
        return unusable(delivery, "this version of the server has no use for messages of kind '\(known.kind.rawValue)'")
      }
    } catch {
      return unusable(delivery, "routing key '\(delivery.routingKey)': \(error)")
    }
    let address = known.address
    guard let messageID = delivery.message.messageID else { return unusable(delivery, "it has no message_id") }
    let typeName = delivery.message.type ?? ""
    guard let type = types.first(where: { $0.rawValue == typeName }) else {
      let wanted = types.map { "'\($0.rawValue)'" }.joined(separator: " or ")
      return unusable(delivery, "its type is '\(typeName)'; the routing key wants \(wanted)")
    }
    guard let account = accounts[address.clientID] else {
      return refused(delivery, .invalidToken, messageID, address, nil, "no client has the id '\(address.clientID)'", authentication: true)
    }
    do {
      guard let key = try key(of: account) else {
        return refused(
          delivery, .invalidToken, messageID, address, account, "client '\(account.id)' has an empty client_token", authentication: true)
      }
      try delivery.message.verifySignature(with: key, routingKey: delivery.routingKey)
    } catch {
      return refused(delivery, .invalidToken, messageID, address, account, "\(error)", authentication: true)
    }
    guard account.isActive else {
      return refused(
        delivery, .inactiveClient, messageID, address, account, "client '\(account.id)' is disabled", authentication: true,
        agentID: senderID(type, delivery))
    }
    do throws(MessageError) {
      let body = try Body.decode(type, from: delivery.message.body, in: &known.series)
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

  /// `nil` for an empty token, which the column allows: anybody could sign with that.
  private func key(of account: Account) throws(CryptoError) -> SigningKey? {
    if let lastKey, lastKey.token == account.token { return lastKey.key }
    let key: SigningKey
    if let known = keys[account.token] {
      key = known
    } else {
      guard !account.token.trimmingWhitespace().isEmpty else { return nil }
      key = try SigningKey(clientToken: account.token)
      if keys.count >= Self.mostKeys { keys = [:] }
      keys[account.token] = key
    }
    lastKey = (account.token, key)
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
