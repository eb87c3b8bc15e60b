import Server
import ServiceRuntime

/// Lays a snapshot out in lines: a pure function of what is to be shown and of how much room there is.
struct WatchLayout: Sendable, Equatable {
  /// What stands over it all.
  struct Title: Sendable, Equatable {
    /// Whose agents are shown; `nil` for all.
    var target: String?
    /// What is to the right of the first line.
    var hint = ""
    /// What hinders the reading just now.
    var trouble: String?
  }

  /// Events where there is no screen to fill.
  private static let eventsOnPaper = 10
  private static let rolloutsShown = 6

  /// Columns.
  var width: Int
  /// Lines; `nil` for paper, which has no end.
  var height: Int?

  /// The lines, each of `width` cells at most, and as many as there is room for.
  func lines(_ snapshot: FleetSnapshot, _ title: Title) -> [String] {
    var lines = heading(snapshot, title)
    lines += agents(snapshot)
    lines += counts("COMMANDS", "in flight", snapshot.commands)
    lines += rollouts(snapshot)
    let room = height.map { max(0, $0 - lines.count - 1) } ?? Self.eventsOnPaper
    lines += events(snapshot, room)
    return Array(lines.prefix(height ?? lines.count)).map { CellText.cut($0, to: width) }
  }

  private func heading(_ snapshot: FleetSnapshot, _ title: Title) -> [String] {
    let left = "Spot Optimizer  \(snapshot.time.localText)"
    let gap = width - CellText.width(left) - CellText.width(title.hint)
    var lines = [gap > 1 && !title.hint.isEmpty ? left + String(repeating: " ", count: gap) + title.hint : left]
    if let target = title.target { lines.append(label("TARGET") + target) }
    if let trouble = title.trouble { lines.append(label("TROUBLE") + trouble) }
    return lines + (height == nil ? [] : [""])
  }

  private func agents(_ snapshot: FleetSnapshot) -> [String] {
    var lines = counts("AGENTS", "in all", snapshot.agents)
    if let newest = snapshot.newestHeartbeat, let oldest = snapshot.oldestHeartbeat {
      lines.append(
        label("HEARTBEATS")
          + "newest \(age(newest, snapshot)) ago, oldest \(age(oldest, snapshot)) ago (of agents that are not offline)")
    }
    return lines
  }

  /// `AGENTS      40000 in all   online 39120   offline 880`, on as many lines as it needs.
  private func counts(_ name: String, _ sum: String, _ counts: [FleetSnapshot.Count]) -> [String] {
    let pieces = ["\(counts.reduce(0) { $0 + $1.number }) \(sum)"] + counts.map { "\($0.status) \($0.number)" }
    var lines = [label(name)]
    for (index, piece) in pieces.enumerated() {
      let text = index == 0 ? piece : "   " + piece
      let last = lines[lines.count - 1]
      if index > 0, CellText.width(last) + CellText.width(text) > width {
        lines.append(label("") + piece)
      } else {
        lines[lines.count - 1] = last + text
      }
    }
    return lines
  }

  private func rollouts(_ snapshot: FleetSnapshot) -> [String] {
    let rollouts = snapshot.rollouts
    let nameWidth = min(nameRoom, rollouts.map { CellText.width(Self.name($0)) }.max() ?? 0)
    let barWidth = max(10, min(60, width - nameWidth - 60))
    return rollouts.prefix(Self.rolloutsShown).enumerated().map { index, rollout in
      let share = rollout.total > 0 ? Double(rollout.ended) / Double(rollout.total) : 0
      let filled = Int(share * Double(barWidth))
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
      let failed = rollout.failed > 0 ? "   \(rollout.failed) failed" : ""
      return label(index == 0 ? "ROLLOUTS" : "") + CellText.fit(Self.name(rollout), to: nameWidth) + "  "
        + CellText.fit(rollout.state, to: 10)
        + "  \(bar) \(Int(share * 100)) %   \(rollout.ended) of \(rollout.total)\(failed)"
    }
      + (rollouts.count > Self.rolloutsShown ? [label("") + "and \(rollouts.count - Self.rolloutsShown) more"] : [])
  }

  private static func name(_ rollout: FleetSnapshot.Rollout) -> String { "\(rollout.command) \(rollout.id)" }

  private func events(_ snapshot: FleetSnapshot, _ room: Int) -> [String] {
    guard !snapshot.events.isEmpty else { return [label("EVENTS") + "none so far"] }
    let shown = snapshot.events.prefix(room)
    let typeWidth = min(24, shown.map { CellText.width($0.type) }.max() ?? 0)
    let nameWidth = min(nameRoom, shown.map { CellText.width($0.subject) }.max() ?? 0)
    return [label("EVENTS") + "the newest first"]
      + shown.map { event in
        "\(event.time.localText.suffix(8))  \(CellText.fit(event.type, to: typeWidth))  "
          + "\(CellText.fit(event.subject, to: nameWidth))  \(event.detail)"
      }
  }

  /// What names may have of a line.
  private var nameRoom: Int { max(8, width / 4) }

  private func label(_ text: String) -> String { text + String(repeating: " ", count: max(1, 12 - text.count)) }

  /// `3 s`, `12 min`, `5 h`, `2 d`.
  private func age(_ moment: Timestamp, _ snapshot: FleetSnapshot) -> String {
    let seconds = max(0, snapshot.time.since(moment).components.seconds)
    return switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) d"
    }
  }
}
