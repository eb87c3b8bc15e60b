import Glibc
import Server
import ServiceRuntime

/// `spotctl rollouts status --follow`: a bar that moves on a terminal, else a line whenever something has changed, once a second at most.
struct RolloutFollower {
  static let interval = Duration.seconds(1)

  let terminal: Terminal
  let look: () async throws -> RolloutProgress

  init(terminal: Terminal, look: @escaping () async throws -> RolloutProgress) {
    self.terminal = terminal
    self.look = look
  }

  /// Returns when every target has succeeded; throws `Failure` when the rollout has ended otherwise, or paused with nothing under way.
  func run() async throws {
    let isMoving = !terminal.isJSON && isatty(STDOUT_FILENO) == 1
    var last: String?
    while true {
      let progress = try await look()
      let line = RolloutLine(progress, withBar: isMoving).text
      if isMoving {
        // Over the line before: to its beginning, and what is left of it erased.
        try terminal.write("\r\(line)\u{1B}[K")
      } else if line != last, !terminal.isJSON {
        try terminal.write(line + "\n")
      }
      last = line
      if Self.isOver(progress.rollout) {
        if isMoving { try terminal.write("\n") }
        return try finish(progress)
      }
      try await Task.sleep(for: Self.interval)
    }
  }

  static func isOver(_ rollout: Rollout) -> Bool {
    rollout.finishedAt != nil || (rollout.state == .paused && rollout.counts.sent == 0)
  }

  private func finish(_ progress: RolloutProgress) throws {
    let rollout = progress.rollout
    if terminal.isJSON { try terminal.show(Record(progress)) } else { try terminal.write(RolloutLine.errors(progress)) }
    guard rollout.state != .completed || rollout.counts.succeeded < rollout.counts.total else { return }
    let missing = rollout.counts.total - rollout.counts.succeeded
    throw Failure(
      .failed,
      "the rollout is \(rollout.state.rawValue)\(rollout.reason.map { " (\(printable($0)))" } ?? ""); \(missing) of \(rollout.counts.total) targets have not succeeded"
    )
  }
}
