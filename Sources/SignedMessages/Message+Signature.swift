import AMQP
import FleetProtocol

/// The fleet's signature on AMQP messages: which property and header holds which part of what is signed. Both directions and both sides use it;
/// `FleetProtocol` itself knows no AMQP.
extension Message {
  /// Puts the signature over what the message is now into its headers. Type, message id and timestamp must be set before.
  public mutating func sign(with key: SigningKey, routingKey: String) throws(SignatureError) {
    let envelope = try SignedEnvelope(
      signing: body, type: type ?? "", messageID: messageID ?? "", timestamp: try signedTimestamp, routingKey: routingKey, with: key)
    headers[SignedEnvelope.signatureHeader] = .text(envelope.signature)
    headers[SignedEnvelope.versionHeader] = .int(envelope.version)
  }

  /// Returns if the message was signed with this key for this routing key, and has not been changed since.
  public func verifySignature(with key: SigningKey, routingKey: String) throws(SignatureError) {
    guard case .text(let signature)? = header(SignedEnvelope.signatureHeader) else { throw .missing("header 'signature'") }
    guard case .int(let version)? = header(SignedEnvelope.versionHeader) else { throw .missing("header 'signature-version'") }
    let envelope = SignedEnvelope(
      type: type ?? "", messageID: messageID ?? "", timestamp: try signedTimestamp, routingKey: routingKey, body: body,
      signature: signature,
      version: version)
    try envelope.verify(with: key)
  }

  private var signedTimestamp: Int64 {
    get throws(SignatureError) {
      guard let seconds = timestamp.flatMap({ Int64(exactly: $0) }) else { throw .missing("property 'timestamp'") }
      return seconds
    }
  }
}
