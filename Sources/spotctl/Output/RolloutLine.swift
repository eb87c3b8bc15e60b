import Server
import ServiceRuntime

/// A rollout's progress as one line of text.
struct RolloutLine: Sendable, Equatable {
  /// Characters between the brackets of the bar.
  static let barWidth = 24

  let text: String

  /// With the bar in front: `[######>       ]`.
  init(_ progress: RolloutProgress, withBar: Bool = false) {
    let rollout = progress.rollout
    let counts = rollout.counts
    var parts = ["\(rollout.state.rawValue)", "\(counts.ended) of \(counts.total) ended (\(Self.percent(counts)))"]
    if counts.sent > 0 { parts.append("\(counts.sent) under way") }
    if counts.errors > 0 { parts.append("\(counts.errors) \(counts.errors == 1 ? "error" : "errors")") }
    if progress.away > 0 { parts.append("\(progress.away) \(progress.away == 1 ? "waits for its agent" : "wait for their agents")") }
    if counts.givenUp > 0 { parts.append("\(counts.givenUp) given up") }
    if let estimate = progress.estimate { parts.append("about \(Self.roughly(estimate)) left") }
    text = (withBar ? Self.bar(counts) + " " : "") + parts.joined(separator: ", ")
  }

  /// The newest errors, a line each.
  static func errors(_ progress: RolloutProgress) -> String {
    var lines = progress.errors.map { problem in
      "  \(printable(problem.logicalAgentID)) \(problem.state)\(problem.error.map { ": \(printable($0))" } ?? "")\n"
    }
    let rest = progress.rollout.counts.errors - progress.errors.count
    if rest > 0 { lines.append("  and \(rest) more\n") }
    return lines.joined()
  }

  static func bar(_ counts: RolloutCounts) -> String {
    guard counts.total > 0 else { return "[\(String(repeating: " ", count: barWidth))]" }
    let done = counts.ended * barWidth / counts.total
    let underWay = min(barWidth - done, (counts.sent * barWidth + counts.total - 1) / counts.total)
    return "[" + String(repeating: "#", count: done) + String(repeating: ">", count: underWay)
      + String(repeating: " ", count: barWidth - done - underWay) + "]"
  }

  /// Rounded down: 100% only when all have ended.
  private static func percent(_ counts: RolloutCounts) -> String { counts.total == 0 ? "100%" : "\(counts.ended * 100 / counts.total)%" }

  /// `45s`, `12m`, `3h 20m`, `2d 4h`: no more digits than an estimate is worth.
  static func roughly(_ duration: Duration) -> String {
    let seconds = Int(duration.components.seconds) + (duration.components.attoseconds > 0 ? 1 : 0)
    switch seconds {
    case ..<60: return "\(seconds)s"
    case ..<600: return "\(seconds / 60)m \(seconds % 60)s"
    case ..<3600: return "\(seconds / 60)m"
    case ..<86_400: return "\(seconds / 3600)h \(seconds % 3600 / 60)m"
    default: return "\(seconds / 86_400)d \(seconds % 86_400 / 3600)h"
    }
  }
}
