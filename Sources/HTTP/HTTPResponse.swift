/// An answer: what a handler gives back, and what the client received.
public struct HTTPResponse: Sendable, Equatable {
  /// The status code, 200 to 599.
  public var status: Int
  /// The header fields. A server sets `Content-Length`, `Connection` and `Date` itself.
  public var headers: HTTPHeaders
  /// The body.
  public var body: [UInt8]
  /// Whether a server closes the connection after it, so that a client who asks seldom does not hold one of a limited number.
  public var closesConnection = false

  /// An answer of these parts.
  public init(status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// An answer whose body is JSON already.
  public static func json(_ status: Int, _ body: [UInt8]) -> HTTPResponse {
    HTTPResponse(status: status, headers: ["Content-Type": "application/json"], body: body)
  }

  /// The form of every error: `{"error":"…"}`.
  public static func error(_ status: Int, _ message: String) -> HTTPResponse {
    var body = "{\"error\":\""
    for scalar in message.unicodeScalars {
      switch scalar {
      case "\"": body += "\\\""
      case "\\": body += "\\\\"
      case "\n": body += "\\n"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        body += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: body.unicodeScalars.append(scalar)
      }
    }
    return .json(status, Array((body + "\"}").utf8))
  }
}
