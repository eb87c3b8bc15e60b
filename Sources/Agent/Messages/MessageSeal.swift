import AMQP
import FleetProtocol
import ServiceRuntime
import SignedMessages

/// Signs what the agent sends and checks what it receives, with the client token.
///
/// A key is made for each message: an agent signs a few in a minute, and a `SigningKey` belongs to one task at a time.
struct MessageSeal: Sendable {
  private let token: ClientToken

  init(token: ClientToken) { self.token = token }

  /// Gives a message its signature headers; type, message id and timestamp must be set.
  func sign(_ message: inout Message, routingKey: String) throws(SignatureError) { try message.sign(with: key(), routingKey: routingKey) }

  /// Returns if the message was signed with the client token for this routing key.
  func verify(_ message: Message, routingKey: String) throws(SignatureError) {
    try message.verifySignature(with: key(), routingKey: routingKey)
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
