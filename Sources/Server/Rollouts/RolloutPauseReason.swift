import ServiceRuntime

/// Why a rollout paused by itself: how many errors, how many would have been borne, and on whom they were.
struct RolloutPauseReason: Sendable, Equatable, CustomStringConvertible {
  /// Agents that are named.
  static let shown = 5
  private static let errorLength = 80

  /// An agent on which the command ended badly.
  struct Culprit: Sendable, Equatable {
    let name: String
    let state: String
    let error: String?
  }

  let errors: Int
  let tolerated: Int
  let maxErrors: RolloutShare
  let inCanary: Bool
  /// The newest errors first, `shown` at most.
  let first: [Culprit]

  var description: String {
    let who = first.map { culprit in
      let error = culprit.error.map { ": \(printable(String($0.prefix(Self.errorLength))))\($0.count > Self.errorLength ? "…" : "")" } ?? ""
      return "\(printable(culprit.name)) (\(culprit.state)\(error))"
    }
    let rest = errors > first.count ? " and \(errors - first.count) more" : ""
    return
      "\(errors) \(errors == 1 ? "error" : "errors")\(inCanary ? " in the canary" : ""), where max-errors \(maxErrors) tolerates \(tolerated): "
      + who.joined(separator: ", ") + rest
  }
}
