import ServiceRuntime

/// On the wire a moment is RFC 3339 text in UTC with milliseconds, `2026-01-31T05:26:47.123Z`; any zone and precision is read.
extension Timestamp: Codable {
  /// Reads RFC 3339.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    // `Timestamp(text:)` also reads SQL's form, which has a space in this place and no zone: not on the wire.
    guard text.utf8.dropFirst(10).first == UInt8(ascii: "T"), let value = Timestamp(text: text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "is '\(shown(text))', which is no RFC 3339 time such as 2026-01-31T05:26:47.123Z")
    }
    self = value
  }

  /// Writes RFC 3339.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(iso8601)
  }
}
