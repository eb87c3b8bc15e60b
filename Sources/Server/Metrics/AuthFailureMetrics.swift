import FleetProtocol

/// What is counted of refusals for a token or a client.
struct AuthFailureMetrics: Sendable {
  private let byWords: [String: Counter]
  private let other: Counter

  init(_ metrics: ServerMetrics) {
    let reasons: [(ErrorStatus, String)] = [
      (.missingToken, "missing_token"), (.invalidToken, "invalid_token"), (.inactiveClient, "inactive_client"),
    ]
    byWords = Dictionary(uniqueKeysWithValues: reasons.map { ($0.text, metrics.authFailures.member($1)) })
    other = metrics.authFailures.member("other")
  }

  /// Counts a refusal with these words.
  func count(_ words: String) { (byWords[words] ?? other).add() }
}
