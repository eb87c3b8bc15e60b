import FoundationEssentials
import ServiceRuntime

/// The one way in and out for JSON bodies: whatever the bytes are, decoding ends with a checked message or with a `MessageError`.
///
/// Any thread; nothing is kept between calls but two immutable coders.
public enum WireCoding {
  // Configured once here and never changed: Foundation documents both as safe to use from several threads that way.
  private static let decoder = JSONDecoder()
  private static let encoder: JSONEncoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }()

  /// Decodes and validates. Fields that are not known are ignored, so that a newer peer may send more.
  public static func decode<Message: WireMessage>(_ type: Message.Type, from body: [UInt8]) throws(MessageError) -> Message {
    let limit = limit(of: type)
    // The common message has a way of its own; whatever that does not know goes the general way.
    let message: Message
    if type == Heartbeat.self, body.count <= limit, let beat = HeartbeatScanner.scan(body) as? Message {
      message = beat
    } else {
      message = try decodeJSON(type, from: body, limit: limit)
    }
    try message.validate()
    return message
  }

  /// Validates and encodes, keys sorted, slashes not escaped.
  public static func encode<Message: WireMessage>(_ message: Message) throws(MessageError) -> [UInt8] {
    try message.validate()
    return try encodeJSON(message, limit: limit(of: Message.self))
  }

  private static func limit<Message: WireMessage>(of type: Message.Type) -> Int {
    (type as? any FleetMessage.Type)?.bodyLimit ?? MessageLimits.bodyBytes
  }

  /// Decodes any JSON text within the limits of a body, such as a command's parameters from a row or an argument.
  public static func decodeJSON<Value: Decodable>(
    _ type: Value.Type, from body: [UInt8], limit: Int = MessageLimits.bodyBytes
  ) throws(MessageError) -> Value {
    try check(body, limit)
    do {
      return try decoder.decode(type, from: Data(body))
    } catch let error as DecodingError {
      throw explain(error)
    } catch {
      throw MessageError(field: "body", problem: "is not valid JSON (\(error))")
    }
  }

  /// Encodes any value, with the limit of a body.
  public static func encodeJSON<Value: Encodable>(_ value: Value, limit: Int = MessageLimits.bodyBytes) throws(MessageError) -> [UInt8] {
    let body: [UInt8]
    do {
      body = [UInt8](try encoder.encode(value))
    } catch let error as EncodingError {
      guard case .invalidValue(let value, let context) = error else {
        throw MessageError(field: "body", problem: "cannot be JSON (\(error))")
      }
      throw MessageError(field: path(context.codingPath), problem: "is \(shown("\(value)")), which JSON cannot express")
    } catch {
      throw MessageError(field: "body", problem: "cannot be JSON (\(error))")
    }
    guard body.count <= limit else { throw tooLong(body.count, limit) }
    try checkNesting(body)
    return body
  }

  /// What has to hold before Foundation sees the bytes: size, UTF-8 (it would guess UTF-16 and UTF-32 as well), nesting.
  private static func check(_ body: [UInt8], _ limit: Int) throws(MessageError) {
    guard !body.isEmpty else { throw MessageError(field: "body", problem: "is empty") }
    guard body.count <= limit else { throw tooLong(body.count, limit) }
    guard !body.contains(0), !body.starts(with: [0xef, 0xbb, 0xbf]) else {
      throw MessageError(field: "body", problem: "is not plain UTF-8 (it has a zero byte or a byte order mark)")
    }
    do {
      _ = try UTF8Span(validating: body.span)
    } catch {
      throw MessageError(field: "body", problem: "is not UTF-8 (byte \(error.byteOffsets.lowerBound))")
    }
    try checkNesting(body)
  }

  private static func checkNesting(_ body: [UInt8]) throws(MessageError) {
    var depth = 0
    var inText = false
    var escaped = false
    for byte in body {
      if inText {
        if escaped {
          escaped = false
        } else if byte == UInt8(ascii: "\\") {
          escaped = true
        } else if byte == UInt8(ascii: "\"") {
          inText = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): inText = true
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        guard depth <= MessageLimits.nesting else {
          throw MessageError(field: "body", problem: "is nested deeper than \(MessageLimits.nesting) levels")
        }
      case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
      default: break
      }
    }
  }

  private static func tooLong(_ count: Int, _ limit: Int) -> MessageError {
    MessageError(field: "body", problem: "has \(count) bytes; \(limit) are the most")
  }

  private static func explain(_ error: DecodingError) -> MessageError {
    switch error {
    case .keyNotFound(let key, let context): return MessageError(field: path(context.codingPath + [key]), problem: "is missing")
    case .valueNotFound(let type, let context):
      return MessageError(field: path(context.codingPath), problem: "is null; it must be \(words(for: type))")
    case .typeMismatch(let type, let context):
      return MessageError(field: path(context.codingPath), problem: "is of the wrong type; it must be \(words(for: type))")
    case .dataCorrupted(let context):
      if context.debugDescription.hasPrefix("is ") {
        return MessageError(field: path(context.codingPath), problem: context.debugDescription)
      }
      let detail = shown(context.underlyingError.map { "\($0)" } ?? context.debugDescription)
      guard context.codingPath.isEmpty else { return MessageError(field: path(context.codingPath), problem: "cannot be used (\(detail))") }
      return MessageError(field: "body", problem: "is not valid JSON (\(detail))")
    @unknown default: return MessageError(field: "body", problem: "cannot be decoded (\(shown("\(error)")))")
    }
  }

  private static func path(_ keys: [any CodingKey]) -> String {
    var text = ""
    for key in keys {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += text.isEmpty ? shown(key.stringValue) : ".\(shown(key.stringValue))"
      }
    }
    return text.isEmpty ? "body" : text
  }

  private static func words(for type: any Any.Type) -> String {
    switch type {
    case is String.Type, is Timestamp.Type: "a text"
    case is Bool.Type: "true or false"
    case is Int.Type, is Int64.Type: "a whole number"
    case is Double.Type: "a number"
    case is [Any].Type: "an array"
    case is [String: Any].Type: "an object"
    default: "an object or value of another kind (\(type))"
    }
  }
}
