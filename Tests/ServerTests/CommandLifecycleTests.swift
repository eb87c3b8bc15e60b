import FleetProtocol
import Foundation
import Testing

@testable import Server

/// Every event on every status, held against the table that people read.
@Suite struct CommandLifecycleTests {
  private typealias Event = CommandLifecycle.Event

  private static let events: [(name: String, event: Event)] = [
    ("queued", .queued), ("requeued", .requeued), ("delivered", .delivered), ("running", .running), ("restarted", .restarted),
    ("refused", .refused), ("overdue", .overdue), ("overrun", .overrun), ("cancel requested", .cancelRequested),
    ("cancel unanswered", .cancelUnanswered), ("undeliverable", .undeliverable),
  ]
  private static let openStatuses: [CommandStatus] = [.pending, .queued, .delivered, .running]
  private static let finalStatuses: [CommandStatus] = [.succeeded, .failed, .timedOut, .expired, .cancelled, .undeliverable]

  /// One row of the table, made from the code.
  private static func line(_ name: String, _ lifecycle: CommandLifecycle) -> String {
    let cells = events.map { lifecycle.transition(by: $0.event).map { "`\($0.to.rawValue)`" } ?? "–" }
    let ends = CommandResult.Outcome.allCases.map { lifecycle.transition(by: .ended($0))?.to == $0.status }
    let end = ends.allSatisfy(\.self) ? "as it says" : ends.contains(true) ? "differs" : "–"
    return "| \(name) | \((cells + [end]).joined(separator: " | ")) |"
  }

  @Test func theDocumentsTableIsTheCodes() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/commands.md").standardized
    let document = try String(contentsOf: path, encoding: .utf8)
    let lines = Set(document.split(separator: "\n").map(String.init))
    let heading = "| stands | \((Self.events.map(\.name) + ["the agent's end"]).joined(separator: " | ")) |"
    #expect(lines.contains(heading), "\(heading)")
    for status in Self.openStatuses {
      let line = Self.line("`\(status.rawValue)`", CommandLifecycle(status))
      #expect(lines.contains(line), "\(line)")
    }
    for (name, isAgentsWord) in [("ended by the server", false), ("ended by the agent", true)] {
      for status in Self.finalStatuses {
        let line = Self.line(name, CommandLifecycle(status, isAgentsWord: isAgentsWord))
        #expect(lines.contains(line), "\(status): \(line)")
      }
    }
  }

  @Test func anOpenCommandEndsOnceAndOnlyTheAgentsWordCorrectsTheServers() {
    for status in CommandStatus.allCases {
      for isAgentsWord in [false, true] {
        let lifecycle = CommandLifecycle(status, isAgentsWord: isAgentsWord)
        for (_, event) in Self.events where status.isFinal { #expect(lifecycle.transition(by: event) == nil) }
        for outcome in CommandResult.Outcome.allCases {
          let transition = lifecycle.transition(by: .ended(outcome))
          #expect((transition == nil) == (status.isFinal && isAgentsWord))
          #expect(transition.map(\.to) == nil || transition?.to == outcome.status)
          #expect(transition?.corrects == (status.isFinal && !isAgentsWord && status != outcome.status ? status : nil))
        }
      }
    }
  }

  @Test func nothingMovesBackButARegistrationAndNothingEndsTwice() {
    let order: [CommandStatus] = [.pending, .queued, .delivered, .running]
    for (index, status) in order.enumerated() {
      for (name, event) in Self.events {
        guard let to = CommandLifecycle(status).transition(by: event)?.to, let place = order.firstIndex(of: to) else { continue }
        #expect(place >= index || event == .requeued, "\(name) moves \(status) back to \(to)")
      }
    }
    #expect(CommandLifecycle(.running).transition(by: .restarted)?.isNews == false, "a new start is no new status")
    #expect(CommandLifecycle(.expired).transition(by: .ended(.expired))?.isNews == false, "a confirmed belief is no news")
  }
}
