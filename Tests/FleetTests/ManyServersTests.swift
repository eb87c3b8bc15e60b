import Foundation
import MySQL
import Server
import TestSupport
import Testing

/// Any number of server processes on one database and one broker.
@Suite struct ManyServersTests {
  @Test func tenServersStartedAtOnceOnAnEmptyDatabaseAllComeUpAndTwoShareTheWork() async throws {
    try await withFleet { fleet in
      let servers = try await withThrowingTaskGroup(of: Fleet.Server.self) { group in
        for _ in 0..<10 { group.addTask { try await fleet.startServer(["LOG_LEVEL": "DEBUG", "DB_POOL_SIZE": "2"]) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      for migration in Schema.migrations {
        let line = "Database schema is at version \(migration.version)"
        #expect(servers.reduce(0) { $0 + $1.program.count(line) } == 1)
      }
      #expect(
        try await fleet.number("SELECT COUNT(*) AS n FROM schema_migrations WHERE applied_at IS NOT NULL") == Schema.migrations.count)
      for server in servers.dropFirst(2) { server.program.send(SIGTERM) }
      for server in servers.dropFirst(2) { #expect(try await server.program.waitForExit() == .exited(0), "\(server.program.output)") }

      try await fleet.createClient()
      let working = Array(servers.prefix(2))
      let agent = try await fleet.startAgent("agent-001", working[0])
      let other = try await fleet.startAgent("agent-002", working[1])
      let committed = working.map { $0.program.count("Committed ") }
      try await eventually("both commit heartbeats", timeout: .seconds(60)) {
        zip(working, committed).allSatisfy { $0.program.count("Committed ") > $1 }
      }
      var ids: [String] = []
      try await eventually("both dispatch commands", timeout: .seconds(60)) {
        ids.append(try await fleet.insertCommand(for: "agent-001"))
        ids.append(try await fleet.insertCommand(for: "agent-002"))
        for id in ids.suffix(2) { #expect(try await fleet.result(of: id).status == "succeeded") }
        return working.allSatisfy { $0.program.output.contains("is in the queue of agent") }
      }
      for id in ids {
        let queued = { working.reduce(0) { $0 + $1.program.count("Command \(id) 'ping' is in the queue") } }
        let received = { agent.count("received the command \(id)") + other.count("received the command \(id)") }
        try await eventually("the logs tell of \(id)") { queued() > 0 && received() > 0 }
        #expect(queued() == 1 && received() == 1)
      }
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM commands WHERE attempts <> 1") == 0)
    }
  }

  @Test func frontAndWorkerMayBeProcessesOfTheirOwn() async throws {
    try await withFleet { fleet in
      let front = try await fleet.startServer(role: "http")
      let worker = try await fleet.startServer(role: "worker")
      try await fleet.createClient()
      _ = try await fleet.startAgent("agent-001", front)
      try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }
      #expect(try await fleet.result(of: try await fleet.insertCommand(for: "agent-001")).status == "succeeded")
      #expect(!worker.program.output.contains("Listening on"))
      #expect(!front.program.output.contains("Worker is consuming"))
      for server in [front, worker] {
        let (status, took) = try await server.program.stopInGoodOrder()
        #expect(status == .exited(0) && took < .seconds(5), "\(server.program.output)")
      }
    }
  }
}
