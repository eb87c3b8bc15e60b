import ServiceRuntime

/// `amqp://user:password@host:port/vhost` (RabbitMQ's URI specification), or `amqps`.
public struct BrokerURL: Sendable, Equatable, CustomStringConvertible {
  /// Whether TLS is spoken (`amqps`).
  public var usesTLS: Bool
  /// Host name or address; an IPv6 address without its brackets.
  public var host: String
  /// TCP port: 5672 (amqp) or 5671 (amqps) unless given.
  public var port: Int
  /// Login name; empty when the URL has none.
  public var username: String
  /// Password; empty when the URL has none. Never part of `description`.
  public var password: String
  /// Virtual host, decoded; `nil` when the URL has no path.
  public var virtualHost: String?

  /// Reads a URL. `name` is the variable or argument it comes from, for the error, which never shows a password.
  public init(_ text: String, name: String) throws(ConfigurationError) {
    let remedy = "write it as amqp://user:password@host:5672/vhost (or amqps://…:5671), special characters percent-encoded"
    func refuse(_ problem: String) -> ConfigurationError { ConfigurationError(name: name, problem: problem, remedy: remedy) }
    guard let separator = text.firstRange(of: "://") else { throw refuse("has no scheme") }
    switch text[..<separator.lowerBound].lowercased() {
    case "amqp": usesTLS = false
    case "amqps": usesTLS = true
    case let scheme: throw refuse("has the scheme '\(printable(scheme))', which is neither amqp nor amqps")
    }
    var authority = text[separator.upperBound...]
    if let slash = authority.firstIndex(of: "/") {
      let path = String(authority[authority.index(after: slash)...])
      guard !path.contains("/"), !path.contains("?"), let decoded = percentDecoded(path) else {
        throw refuse("has a vhost that is not one percent-encoded word ('/' is written %2F)")
      }
      virtualHost = decoded
      authority = authority[..<slash]
    }
    username = ""
    password = ""
    if let at = authority.lastIndex(of: "@") {
      let login = authority[..<at]
      let colon = login.firstIndex(of: ":") ?? login.endIndex
      guard let name = percentDecoded(String(login[..<colon])),
        let secret = percentDecoded(colon == login.endIndex ? "" : String(login[login.index(after: colon)...]))
      else { throw refuse("has a login that is not percent-encoded") }
      username = name
      password = secret
      authority = authority[authority.index(after: at)...]
    }
    var portText: Substring?
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { throw refuse("has an IPv6 address without its closing bracket") }
      host = String(authority[authority.index(after: authority.startIndex)..<end])
      let rest = authority[authority.index(after: end)...]
      if rest.first == ":" { portText = rest.dropFirst() } else if !rest.isEmpty { throw refuse("has text behind the IPv6 address") }
    } else if let colon = authority.firstIndex(of: ":") {
      host = String(authority[..<colon])
      portText = authority[authority.index(after: colon)...]
    } else {
      host = String(authority)
    }
    guard !host.isEmpty, !host.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7f }) else { throw refuse("has no host") }
    if let portText {
      guard let number = Int(portText), (1...65_535).contains(number) else {
        throw refuse("has the port '\(printable(String(portText)))', which is not a number from 1 to 65535")
      }
      port = number
    } else {
      port = usesTLS ? 5671 : 5672
    }
  }

  /// The address without the login: `amqp://host:port/vhost`.
  public var description: String {
    let address = "\(usesTLS ? "amqps" : "amqp")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    return virtualHost.map { "\(address)/\(percentEncoded($0))" } ?? address
  }
}

private func percentDecoded(_ text: String) -> String? {
  var bytes: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let byte = rest.popFirst() {
    if byte != 0x25 {
      bytes.append(byte)
      continue
    }
    guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), value != 0 else { return nil }
    bytes.append(value)
    rest = rest.dropFirst(2)
  }
  return String(validating: bytes, as: UTF8.self)
}

private func percentEncoded(_ text: String) -> String {
  var result = ""
  for byte in text.utf8 {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.unicodeScalars.append(Unicode.Scalar(byte))
    default: result += byte < 16 ? "%0\(String(byte, radix: 16, uppercase: true))" : "%\(String(byte, radix: 16, uppercase: true))"
    }
  }
  return result
}
