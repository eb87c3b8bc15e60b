/// How a line of the log is written: `LOG_FORMAT`.
public enum LogFormat: String, Sendable, CaseIterable {
  /// The guide's: `2025-11-25 05:26:47 ERROR - …`, in the machine's time zone.
  case text
  /// One JSON object a line: `time` (RFC 3339, UTC, milliseconds), `level`, `program`, `message`.
  case json

  func line(_ time: Timestamp, _ level: LogLevel, _ program: String, _ message: String) -> String {
    switch self {
    case .text: "\(time.localText) \(level.rawValue) - \(printable(message))\n"
    case .json:
      "{\"time\":\"\(time.iso8601)\",\"level\":\"\(level.rawValue)\",\"program\":\(Self.quoted(program)),\"message\":\(Self.quoted(message))}\n"
    }
  }

  /// A JSON string (RFC 8259, section 7). Line separators are escaped too: some readers take U+2028 for the end of a line.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22: result += "\\\""
      case 0x5c: result += "\\\\"
      case 0x0a: result += "\\n"
      case 0..<0x20, 0x7f...0x9f, 0x2028, 0x2029:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
