import CCrypto

/// What a signature covers and the signature itself, without a word of AMQP: both sides map their messages to it.
///
/// The HMAC's input is, byte for byte: `1\n`, type, `\n`, message id, `\n`, timestamp in decimal seconds, `\n`, routing key, `\n`, body.
/// Type, message id and routing key hold printable ASCII only, so no line can be moved from one to the other.
public struct SignedEnvelope: Sendable, Equatable {
  /// AMQP header with the signature: 64 lower-case hexadecimal digits.
  public static let signatureHeader = "signature"
  /// AMQP header with the version: the integer 1.
  public static let versionHeader = "signature-version"
  /// The one version there is.
  public static let currentVersion: Int64 = 1
  /// The most bytes of a type, a message id and a routing key (AMQP short strings).
  public static let longestName = 255

  /// The AMQP `type` property.
  public var type: String
  /// The AMQP `message_id` property.
  public var messageID: String
  /// The AMQP `timestamp` property: seconds since 1970.
  public var timestamp: Int64
  /// The routing key it was published with, or `replyRoutingKey(to:)` for what travels over direct reply-to.
  public var routingKey: String
  /// The body.
  public var body: [UInt8]
  /// The value of the header `signature`.
  public var signature: String
  /// The value of the header `signature-version`.
  public var version: Int64

  /// An envelope as it was received; `verify` says whether it holds.
  public init(type: String, messageID: String, timestamp: Int64, routingKey: String, body: [UInt8], signature: String, version: Int64) {
    self.type = type
    self.messageID = messageID
    self.timestamp = timestamp
    self.routingKey = routingKey
    self.body = body
    self.signature = signature
    self.version = version
  }

  /// A new envelope, signed.
  public init(signing body: [UInt8], type: String, messageID: String, timestamp: Int64, routingKey: String, with key: SigningKey)
    throws(SignatureError)
  {
    self.init(
      type: type, messageID: messageID, timestamp: timestamp, routingKey: routingKey, body: body, signature: "",
      version: Self.currentVersion)
    signature = Hexadecimal.encode(try tag(key))
  }

  /// The routing key that stands in the signature of an answer or error notice: direct reply-to's own keys are the broker's secret.
  public static func replyRoutingKey(to messageID: String) -> String { "reply.\(messageID)" }

  /// Returns if the signature was made with this key over exactly these contents; the comparison takes the same time wherever they differ.
  public func verify(with key: SigningKey) throws(SignatureError) {
    guard version == Self.currentVersion else { throw .unknownVersion(version) }
    guard let given = Hexadecimal.decode(signature) else { throw .notHexadecimal }
    let wanted = try tag(key)
    let difference = withUnsafeBytes(of: given) { given in
      withUnsafeBytes(of: wanted) { wanted in CRYPTO_memcmp(given.baseAddress, wanted.baseAddress, wanted.count) }
    }
    guard difference == 0 else { throw .mismatch }
  }

  private func tag(_ key: SigningKey) throws(SignatureError) -> InlineArray<32, UInt8> {
    try key.authenticate(body) { head throws(SignatureError) in
      head.append(contentsOf: [0x31, 0x0a])
      try Self.append(type, named: "type", to: &head)
      try Self.append(messageID, named: "message id", to: &head)
      head.append(contentsOf: String(timestamp).utf8)
      head.append(0x0a)
      try Self.append(routingKey, named: "routing key", to: &head)
    }
  }

  private static func append(_ text: String, named name: String, to head: inout [UInt8]) throws(SignatureError) {
    var text = text
    let (length, isPrintable) = text.withUTF8 { utf8 in
      head.append(contentsOf: utf8)
      return (utf8.count, utf8.allSatisfy { (0x20...0x7e).contains($0) })
    }
    // A reply's routing key is `reply.` and a message id, which may itself be as long as AMQP allows.
    let most = name == "routing key" ? longestName + 6 : longestName
    guard length > 0, length <= most else { throw .badName(name, "has \(length) bytes; it must have 1 to \(most)") }
    guard isPrintable else { throw .badName(name, "is '\(shown(text))'; it may hold printable ASCII only") }
    head.append(0x0a)
  }
}

/// Why a message is not authentic, or cannot be signed.
public enum SignatureError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The message lacks a part of what is signed (its name), or has it in another type.
  case missing(String)
  /// The header `signature-version` names a version that is not known.
  case unknownVersion(Int64)
  /// The header `signature` is not 64 lower-case hexadecimal digits.
  case notHexadecimal
  /// The signature was made with another token or over other contents.
  case mismatch
  /// The type, message id or routing key (named first) cannot stand in a signature (why, second).
  case badName(String, String)
  /// libcrypto failed.
  case crypto(CryptoError)

  /// One line for a log.
  public var description: String {
    switch self {
    case .missing(let part): "\(part) is missing or of the wrong type"
    case .unknownVersion(let version): "signature-version is \(version); only \(SignedEnvelope.currentVersion) is known"
    case .notHexadecimal: "signature is not 64 lower-case hexadecimal digits"
    case .mismatch: "signature does not match: another client token, or changed on the way"
    case .badName(let name, let problem): "\(name) \(problem)"
    case .crypto(let error): "\(error)"
    }
  }
}
