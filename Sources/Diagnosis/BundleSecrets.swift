/// What must not be in a bundle, whoever wrote it where: given words, and whatever looks like a credential.
public struct BundleSecrets: Sendable {
  private let words: [String]

  /// Takes these words out. One of fewer than 6 characters stays: it would be found inside of words that are none.
  public init(_ words: some Sequence<String>) { self.words = Set(words).filter { $0.count >= 6 }.sorted { $0.count > $1.count } }

  /// The text with `(secret)` and `(credential)` in their place.
  public func removed(from text: String) -> String {
    let rest = words.reduce(text) { text, secret in text.contains(secret) ? text.replacing(secret, with: "(secret)") : text }
    // A JWT: three parts in base64url, the first of which is an object in JSON.
    guard rest.contains("eyJ") else { return rest }
    return rest.replacing(/eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+/, with: "(credential)")
  }
}
