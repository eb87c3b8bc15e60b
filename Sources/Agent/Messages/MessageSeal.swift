import AMQP
import FleetProtocol
import ServiceRuntime

/// Signs what the agent sends and checks what it receives, with the client token.
///
/// A key is made for each message: an agent signs a few in a minute, and a `SigningKey` belongs to one task at a time.
struct MessageSeal: Sendable {
  private let token: ClientToken

  init(token: ClientToken) { self.token = token }

  /// Gives a message its signature headers; type, message id and timestamp must be set.
  func sign(_ message: inout Message, routingKey: String) throws(SignatureError) {
    let envelope = try SignedEnvelope(
      signing: message.body, type: message.type ?? "", messageID: message.messageID ?? "", timestamp: Int64(message.timestamp ?? 0),
      routingKey: routingKey, with: key())
    message.headers[SignedEnvelope.signatureHeader] = .text(envelope.signature)
    message.headers[SignedEnvelope.versionHeader] = .int(envelope.version)
  }

  /// Returns if the message was signed with the client token for this routing key.
  func verify(_ message: Message, routingKey: String) throws(SignatureError) {
    guard case .text(let signature)? = message.headers[SignedEnvelope.signatureHeader],
      case .int(let version)? = message.headers[SignedEnvelope.versionHeader]
    else { throw .notHexadecimal }
    let envelope = SignedEnvelope(
      type: message.type ?? "", messageID: message.messageID ?? "", timestamp: Int64(clamping: message.timestamp ?? 0),
      routingKey: routingKey, body: message.body, signature: signature, version: version)
    try envelope.verify(with: key())
  }

  /// What only the holder of the token can compute of these bytes: 64 hexadecimal digits.
  func fingerprint(_ bytes: [UInt8], purpose: String) throws(SignatureError) -> String {
    try SignedEnvelope(signing: bytes, type: "agent-state", messageID: purpose, timestamp: 0, routingKey: "none", with: key()).signature
  }

  private func key() throws(SignatureError) -> SigningKey {
    do throws(CryptoError) {
      return try SigningKey(clientToken: token.secret)
    } catch {
      throw .crypto(error)
    }
  }
}
