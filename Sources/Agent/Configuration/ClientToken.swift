import ServiceRuntime

/// `SPOT_OPTIMIZER_CLIENT_TOKEN`: the secret that stands for the client. Printed, it is its preview.
struct ClientToken: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The token itself: for the `Authorization` header and for signatures, nothing else.
  let secret: String

  /// Checks that the token can stand in a header line and in the server's table; white space round it is stripped.
  init(_ text: String, name: String) throws(ConfigurationError) {
    let remedy = "set it to the client's token, as `spotctl clients create` prints it"
    let token = text.trimmingWhitespace()
    guard !token.isEmpty else { throw ConfigurationError(name: name, problem: "is empty", remedy: remedy) }
    guard !token.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }) else {
      throw ConfigurationError(name: name, problem: "holds a line break or another control character", remedy: remedy)
    }
    guard token.unicodeScalars.count <= 255 else {
      throw ConfigurationError(
        name: name, problem: "has \(token.unicodeScalars.count) characters; no token has more than 255", remedy: remedy)
    }
    secret = token
  }

  /// The guide's form: `abc12345...xyz9`.
  var preview: String { tokenPreview(secret) }
  /// The preview.
  var description: String { preview }
  /// The preview.
  var debugDescription: String { preview }
  /// Nothing, so that `dump` shows no secret either.
  var customMirror: Mirror { Mirror(self, children: []) }
}
