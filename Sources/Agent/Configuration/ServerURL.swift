import ServiceRuntime

/// `SPOT_OPTIMIZER_SERVER_URL`, checked: `http` or `https`, a host, and nothing behind the path.
struct ServerURL: Sendable, Equatable, CustomStringConvertible {
  /// The URL without a slash at its end.
  let description: String
  /// The host: a name or an address, an IPv6 address without its brackets.
  let host: String
  /// The TCP port: 80 or 443 unless given.
  let port: Int
  /// Whether TLS is spoken (`https`).
  let usesTLS: Bool

  /// Reads a URL; `name` is the variable it comes from.
  init(_ text: String, name: String) throws(ConfigurationError) {
    func refuse(_ problem: String) -> ConfigurationError {
      ConfigurationError(
        name: name, problem: problem, remedy: "set it to the server's address, such as http://your-server:5000 or https://your-server")
    }
    let shown = printable(String(text.prefix(200)))
    guard !text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value >= 0x7f }) else {
      throw refuse("is '\(shown)', which holds a space or another character that no URL has")
    }
    guard let separator = text.firstRange(of: "://") else { throw refuse("is '\(shown)', which does not begin with http:// or https://") }
    let scheme = text[..<separator.lowerBound].lowercased()
    guard scheme == "http" || scheme == "https" else {
      throw refuse("has the scheme '\(printable(scheme))', which is neither http nor https")
    }
    let rest = text[separator.upperBound...]
    let authority = rest.prefix { $0 != "/" }
    // Not shown: what stands before the @ is a password.
    guard !authority.contains("@") else { throw refuse("holds a login; the client token is the only one the server takes") }
    guard !rest.contains("?"), !rest.contains("#") else { throw refuse("is '\(shown)', which has a query or fragment") }
    let (host, port) = Self.split(authority)
    guard !host.isEmpty else { throw refuse("is '\(shown)', which names no host") }
    usesTLS = scheme == "https"
    self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : String(host)
    var portNumber = usesTLS ? 443 : 80
    if let port {
      guard let number = Int(port), (1...65_535).contains(number) else {
        throw refuse("has the port '\(printable(String(port)))', which is not a number from 1 to 65535")
      }
      portNumber = number
    }
    self.port = portNumber
    var path = rest[authority.endIndex...]
    while path.last == "/" { path.removeLast() }
    description = "\(scheme)://\(authority)\(path)"
  }

  /// The URL of a path below the server's own.
  func appending(_ path: String) -> String { description + path }

  private static func split(_ authority: Substring) -> (host: Substring, port: Substring?) {
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { return ("", nil) }
      let rest = authority[authority.index(after: end)...]
      if rest.isEmpty { return (authority, nil) }
      return rest.first == ":" ? (authority[...end], rest.dropFirst()) : ("", nil)
    }
    guard let colon = authority.firstIndex(of: ":") else { return (authority, nil) }
    return (authority[..<colon], authority[authority.index(after: colon)...])
  }
}
