import Glibc
import MySQL
import Server
import ServiceRuntime

/// `spotctl watch`.
struct WatchCommand {
  /// How often the terminal's size is looked at between two readings.
  private static let resizeInterval = Duration.milliseconds(200)
  /// Columns of what is no terminal.
  private static let paperWidth = 120

  let store: FleetWatchStore
  let environment: Environment
  let terminal: Terminal

  func run(_ invocation: Invocation) async throws {
    let interval = try invocation.duration("--interval", in: 1...3600) ?? .seconds(1)
    let target = try invocation.values["--target"].map { text throws(TargetSyntaxError) in try TargetExpression(parsing: text) }
    let view = View(
      target: target ?? .everyone, interval: interval,
      title: WatchLayout.Title(
        target: target.map(\.description), hint: "every \(DurationWord.shown(Int(interval.components.seconds))), Ctrl-C ends"))
    if invocation.switches.contains("--once") {
      try await printBlock(view)
    } else if isatty(STDOUT_FILENO) == 1, environment.string("TERM", default: "dumb") != "dumb" {
      try await live(view)
    } else {
      try await printBlocks(view)
    }
  }

  private struct View: Sendable {
    let target: TargetExpression
    let interval: Duration
    var title: WatchLayout.Title
  }

  // MARK: Paper

  private func printBlock(_ view: View) async throws {
    var title = view.title
    title.hint = ""
    let lines = WatchLayout(width: Self.paperWidth, height: nil).lines(try await store.snapshot(of: view.target), title)
    try terminal.print(lines.map { $0 + "\n" }.joined())
  }

  private func printBlocks(_ view: View) async throws {
    while true {
      do {
        try await printBlock(view)
      } catch let error as MySQLError where error.isConnectionProblem {
        terminal.remark("\(error) - trying again")
      }
      try await Task.sleep(for: view.interval)
      try terminal.print("\n")
    }
  }

  // MARK: Screen

  private func live(_ view: View) async throws {
    // Before the screen is taken: what is wrong from the start is told where it stays to be read.
    let first = try await store.snapshot(of: view.target)
    let screen = Screen()
    screen.enter()
    defer { screen.leave() }
    // At once, whatever the database does: who has pressed Ctrl-C wants the terminal back.
    try await withTaskCancellationHandler {
      try await refresh(view, first, on: screen)
    } onCancel: {
      screen.leave()
    }
  }

  private func refresh(_ view: View, _ first: FleetSnapshot, on screen: Screen) async throws {
    var snapshot = first
    var title = view.title
    while true {
      try await show(snapshot, title, for: view.interval, on: screen)
      do {
        snapshot = try await store.snapshot(of: view.target)
        title.trouble = nil
      } catch let error as MySQLError where error.isConnectionProblem {
        title.trouble = "the figures are old, trying again: \(error)"
      }
    }
  }

  /// Shows it until the next reading is due, again whenever the terminal's size has changed.
  private func show(_ snapshot: FleetSnapshot, _ title: WatchLayout.Title, for interval: Duration, on screen: Screen) async throws {
    let end = ContinuousClock.now + interval
    var drawn: WatchLayout?
    repeat {
      let size = screen.size ?? (80, 24)
      let layout = WatchLayout(width: size.columns, height: size.lines)
      if layout != drawn {
        guard screen.draw(layout.lines(snapshot, title)) else { throw OutputError(description: "the terminal is gone") }
        drawn = layout
      }
      try await Task.sleep(for: min(Self.resizeInterval, max(.zero, ContinuousClock.now.duration(to: end))))
    } while ContinuousClock.now < end
  }
}

extension MySQLError {
  /// Whether the database is away just now, so that trying again is worth it.
  fileprivate var isConnectionProblem: Bool { [.connect, .connectionLost, .unknownOutcome, .poolTimeout].contains(kind) }
}
