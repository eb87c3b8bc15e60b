import FleetProtocol
import ServiceRuntime

/// An answer's body as the guide's `Response:` line shows it: `{"error": "Invalid client token"}`.
enum ResponseText {
  /// The longest text shown, in characters: an error page of a proxy need not fill the log.
  static let limit = 500

  /// JSON is written anew with a space behind colons and commas, whatever the sender's taste, so that the guide's words are found; anything
  /// else is shown as it is, cut.
  static func of(_ body: [UInt8]) -> String {
    let text: String
    do throws(MessageError) {
      text = json(try WireCoding.decodeJSON(JSONValue.self, from: body))
    } catch {
      text = String(decoding: body.prefix(4 * limit), as: UTF8.self).trimmingWhitespace()
    }
    return text.count <= limit ? text : "\(text.prefix(limit))… (\(body.count) bytes)"
  }

  /// The same for a notice that came over AMQP.
  static func of(_ notice: ErrorNotice) -> String {
    var members: [String: JSONValue] = ["error": .string(notice.error)]
    if let details = notice.details { members["details"] = .object(details.mapValues { .array($0.map(JSONValue.string)) }) }
    return json(.object(members))
  }

  private static func json(_ value: JSONValue) -> String {
    switch value {
    case .array(let items): return "[\(items.map(json).joined(separator: ", "))]"
    case .object(let members):
      // The error first: it is what the line is read for.
      let keys = members.keys.sorted { ($0 == "error" ? "" : $0) < ($1 == "error" ? "" : $1) }
      return "{\(keys.map { "\(quoted($0)): \(json(members[$0] ?? .null))" }.joined(separator: ", "))}"
    case .null: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .int(let number): return "\(number)"
    case .double(let number): return "\(number)"
    case .string(let text): return quoted(text)
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
