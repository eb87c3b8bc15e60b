import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// What is read for the live screen.
@Suite struct FleetWatchTests {
  private func counts(_ pairs: (String, Int)...) -> [FleetSnapshot.Count] { pairs.map { FleetSnapshot.Count($0.0, $0.1) } }

  @Test func everythingIsCountedAndTheNewestEventsHaveNames() async throws {
    try await FleetDatabase.with { database in
      let store = FleetWatchStore(database.pool)
      let empty = try await store.snapshot()
      #expect(empty == FleetSnapshot(time: empty.time))
      let at = try await database.now()
      let web = try await database.register("web-1", sentAt: at.advanced(by: .seconds(-20)))
      try await database.register("web-2", sentAt: at.advanced(by: .seconds(-5)))
      try await database.register("db-1", sentAt: at.advanced(by: .seconds(-3600)))
      try await database.register("odd", sentAt: at.advanced(by: .seconds(-1)))
      try await database.sql("UPDATE agents SET status = 'asleep' WHERE logical_agent_id = 'odd'")
      for status in ["pending", "pending", "running", "succeeded"] {
        let id = try await database.commands.insert(agentID: web.id, commandType: "ping")
        try await database.sql("UPDATE commands SET status = '\(status)' WHERE id = '\(id)'")
      }
      try await database.pool.transaction { connection in
        try await FleetEvent.append(
          [
            FleetEvent("agent.offline", clientID: "c1", subject: web.id, data: ["reason": "silent"]),
            FleetEvent("client.created", clientID: "c1", subject: "c1", data: [:]),
            FleetEvent(
              "command.failed", clientID: "c1", subject: "x",
              data: ["agent_id": "gone", "error": "exit status 1", "command_type": "switch"]),
          ], on: connection)
      }
      try await database.sql("INSERT INTO fleet_events (id, type, data) VALUES (UUID(), 'by.hand', 'no json')")
      let all = try await store.snapshot()
      #expect(all.agents == counts(("online", 2), ("offline", 1), ("asleep", 1)))
      #expect(all.commands == counts(("pending", 2), ("running", 1)))
      #expect(all.newestHeartbeat == at.advanced(by: .seconds(-1)) && all.oldestHeartbeat == at.advanced(by: .seconds(-20)))
      #expect(all.events.prefix(4).map(\.type) == ["by.hand", "command.failed", "client.created", "agent.offline"])
      #expect(all.events.prefix(4).map(\.subject) == ["", "x", "c1", "web-1"])
      #expect(all.events.prefix(4).map(\.detail) == ["", "switch  exit status 1", "", "silent"])
      let some = try await store.snapshot(of: try TargetExpression(parsing: "name=db-1 or name=web-2"))
      #expect(some.agents == counts(("online", 1), ("offline", 1)) && some.commands.isEmpty)
      #expect(!some.events.contains { ["by.hand", "client.created", "command.failed"].contains($0.type) || $0.subject == "web-1" })
    }
  }

  @Test func rolloutsThatHaveNotEndedAreShownWithTheirProgress() async throws {
    try await FleetDatabase.with { database in
      let store = FleetWatchStore(database.pool)
      #expect(try await store.snapshot().rollouts == [])
      for (id, finished) in [("upgrade", "NULL"), ("over", "NOW(3)")] {
        try await database.sql(
          """
          INSERT INTO rollouts (id, state, command_type, target, concurrency, max_errors, priority, timeout_seconds, deliver_within_seconds, \
          lifetime_seconds, finished_at, waiting, sent, succeeded, failed, timed_out, gone) \
          VALUES ('\(id)', 'paused', 'x', 'all', '1', '1', 25, 60, 60, 60, \(finished), 5, 3, 10, 2, 1, 4)
          """)
      }
      #expect(try await store.snapshot().rollouts == [.init(id: "upgrade", command: "x", state: "paused", total: 25, ended: 17, failed: 3)])
    }
  }
}
