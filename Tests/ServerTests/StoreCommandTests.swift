import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

@Suite struct StoreCommandTests {
  private func result(_ id: String, _ agent: Agent, _ status: CommandResult.Outcome = .succeeded, at: Timestamp) -> CommandResult {
    CommandResult(
      commandID: id, agentID: agent.id, status: status, output: ["pong": true], error: status == .failed ? "no" : nil, startedAt: at,
      finishedAt: at, sentAt: at)
  }

  @Test func claimsGoByUrgencyThenAgeAndAreHeldForTheLease() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      var ids: [String] = []
      for priority in [10, 100, 25, 100] {
        ids.append(try await database.commands.insert(agentID: agent.id, commandType: "ping", priority: priority))
      }
      let claimed = try await database.commands.claim(limit: 3, lease: .seconds(60))
      #expect(claimed.map(\.id) == [ids[1], ids[3], ids[2]])
      #expect(claimed.allSatisfy { $0.attempts == 1 && $0.queue == agent.queue && $0.generation == 1 && $0.clientID == "c1" })
      #expect(try await database.commands.claim(limit: 3, lease: .zero).map(\.id) == [ids[0]])
      // That lease was nothing, so it is free again; the others are held.
      #expect(try await database.commands.claim(limit: 3, lease: .seconds(60)).map(\.attempts) == [2])
      #expect(try await database.commands.claim(limit: 3, lease: .seconds(60)).isEmpty)
    }
  }

  @Test func nobodyClaimsForAgentsWithoutAQueueOrAfterTheEnd() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let polling = try await database.register("a2")
      try await database.sql("UPDATE agents SET queue = NULL WHERE id = '\(polling.id)'")
      let expired = try await database.commands.insert(
        agentID: agent.id, commandType: "ping", expiresAt: try await database.now().advanced(by: .seconds(-1)))
      let waiting = try await database.commands.insert(agentID: polling.id, commandType: "ping")
      let orphan = try await database.commands.insert(agentID: randomUUID(), commandType: "ping")
      #expect(try await database.commands.claim(limit: 10, lease: .seconds(60)).isEmpty)
      #expect(try await database.commands.closeExpired() == 1)
      #expect(try await database.commands.closeOrphaned() == 1)
      let first = try #require(try await database.commands.find(id: expired))
      #expect(first.status == .expired && first.finishedAt != nil && first.error != nil)
      #expect(try await database.commands.find(id: orphan)?.status == .undeliverable)
      #expect(try await database.commands.find(id: waiting)?.status == .pending)
    }
  }

  @Test func dispatchersShareTheWorkWithoutWaitingForEachOther() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      for _ in 0..<60 { _ = try await database.commands.insert(agentID: agent.id, commandType: "ping") }
      let commands = database.commands
      let seqs = try await withThrowingTaskGroup(of: [Int64].self) { group in
        for _ in 0..<4 {
          group.addTask {
            var mine: [Int64] = []
            while true {
              let claimed = try await commands.claim(limit: 7, lease: .seconds(60))
              if claimed.isEmpty { return mine }
              mine += claimed.map(\.seq)
            }
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(seqs.count == Set(seqs).count, "a command was claimed twice")
      let rest = try await database.commands.claim(limit: 100, lease: .seconds(60)).map(\.seq)
      #expect(seqs.count + rest.count == 60)
    }
  }

  @Test func aClaimThatWasPublishedBeforeANewRegistrationStaysPending() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let claimed = try await database.commands.claim(limit: 10, lease: .seconds(60))
      try await database.register("a1", session: "s2", sentAt: try await database.now().advanced(by: .milliseconds(5)))
      #expect(try await database.commands.markQueued(claimed) == QueuedCommands())
      #expect(try await database.commands.find(id: id)?.status == .pending)
    }
  }

  @Test func aReleasedCommandSaysWhyAndComesAgain() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let seq = try #require(try await database.commands.claim(limit: 1, lease: .seconds(60)).first?.seq)
      try await database.commands.release(seq, after: .seconds(60), error: "no queue")
      #expect(try await database.commands.claim(limit: 1, lease: .seconds(60)).isEmpty)
      #expect(try await database.commands.find(id: id)?.error == "no queue")
      try await database.commands.release(seq, after: .zero, error: "again")
      let claimed = try await database.commands.claim(limit: 1, lease: .seconds(60))
      #expect(try await database.commands.markQueued(claimed).marked == 1)
      #expect(try await database.commands.find(id: id)?.error == nil)
    }
  }

  @Test func aResultIsTakenOnceAndFromTheCommandsOwnAgentOnly() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let other = try await database.register("a2")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping", parameters: ["x": 1])
      let at = try await database.now()
      #expect(try await database.commands.finish(result(id, agent, at: at), from: other.address) == .unknown)
      #expect(try await database.commands.finish(result(id, other, at: at), from: other.address) == .unknown)
      #expect(try await database.commands.finish(result("nothing", agent, at: at), from: agent.address) == .unknown)
      #expect(try await database.commands.finish(result(id, agent, at: at), from: agent.address) == .accepted)
      #expect(try await database.commands.finish(result(id, agent, .failed, at: at), from: agent.address) == .duplicate)
      let row = try #require(try await database.commands.find(id: id))
      #expect(row.status == .succeeded && row.output == "{\"pong\":true}" && row.error == nil && row.parameters == "{\"x\":1}")
      #expect(row.startedAt == at && row.finishedAt == at)
      #expect(row.queuedAt == at, "a result that overtakes the mark says when it was in the queue at the latest")
      // Marking it queued afterwards must not bring it back.
      #expect(try await database.commands.claim(limit: 1, lease: .seconds(1)).isEmpty)
    }
  }

  @Test func anAgentIsBelievedMoreThanTheServersGuess() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      for guess in ["expired", "undeliverable", "queued", "pending"] {
        let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
        try await database.sql("UPDATE commands SET status = '\(guess)' WHERE id = '\(id)'")
        #expect(
          try await database.commands.finish(result(id, agent, .failed, at: Timestamp(seconds: 9_000_000_000)), from: agent.address)
            == .accepted)
        let row = try #require(try await database.commands.find(id: id))
        #expect(row.status == .failed && row.error == "no")
        #expect(try #require(row.finishedAt) <= (try await database.now()), "a clock ahead counts as now")
      }
    }
  }

  @Test func aCommandThatNoAgentWouldTakeIsNotWritten() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      await #expect(throws: MessageError.self) { try await database.commands.insert(agentID: agent.id, commandType: "") }
      await #expect(throws: MessageError.self) { try await database.commands.insert(agentID: agent.id, commandType: "ping", priority: 256) }
      await #expect(throws: MessageError.self) {
        try await database.commands.insert(agentID: agent.id, commandType: "ping", parameters: [1])
      }
      for name in ["a/b", "/bin/sh", "../run", ".hidden", "..", "run\n", "\u{9b}31m"] {
        let error = await #expect(throws: MessageError.self) { try await database.commands.insert(agentID: agent.id, commandType: name) }
        #expect(error?.field == "command_type", "\(name)")
      }
      #expect(try await database.commands.list().rows.isEmpty)
    }
  }

  @Test func aCommandWithAStrangeStatusIsNamedAndStopsNobody() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let bad = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let good = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      try await database.sql("UPDATE commands SET status = 'lost' WHERE id = '\(bad)'")
      let listing = try await database.commands.list(CommandStore.Filter(agentID: agent.id))
      #expect(listing.rows.map(\.id) == [good] && listing.problems.map(\.id) == [bad])
      #expect(try await database.commands.claim(limit: 10, lease: .seconds(60)).map(\.id) == [good])
    }
  }

  @Test func zeroDatesOfALenientSessionHoldNobodyUp() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let bad = try await database.commands.insert(agentID: agent.id, commandType: "ping", priority: 100)
      let good = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      try await database.pool.withConnection { connection in
        try await connection.executeText("SET SESSION sql_mode = ''")
        try await connection.execute("UPDATE commands SET created_at = 0 WHERE id = ?", [.text(bad)])
        try await connection.execute("UPDATE agents SET last_heartbeat_at = 0, registration_sent_at = 0")
        await connection.close()
      }
      #expect(try await database.commands.claim(limit: 10, lease: .seconds(60)).map(\.id) == [good])
      let listing = try await database.commands.list()
      #expect(listing.rows.map(\.id) == [good] && listing.problems.map(\.id) == [bad])
      #expect(try await database.sql("SELECT 1 FROM commands WHERE status = 'undeliverable' AND error LIKE '%created_at%'").count == 1)
      #expect(try await database.agents.list().problems.count == 1)
      #expect(try await database.register("a1", session: "s2").generation == 2)
      #expect(try await database.agents.list().problems.isEmpty)
    }
  }

  @Test func oldEventsArePrunedInPieces() async throws {
    try await FleetDatabase.with { database in
      for number in 0..<5 { try await database.events.insert(SystemEvent("x", message: "\(number)", metadata: ["n": .int(Int64(number))])) }
      try await database.events.insert(SystemEvent("y", source: String(repeating: "ü", count: 999), message: "long"))
      try await database.sql("UPDATE system_events SET timestamp = NOW(3) - INTERVAL 40 DAY WHERE event_type = 'x'")
      #expect(try await database.events.prune(olderThanDays: 30, limit: 3) == 3)
      #expect(try await database.events.prune(olderThanDays: 30, limit: 3) == 2)
      #expect(try await database.events.prune(olderThanDays: 30, limit: 3) == 0)
      #expect(try await database.sql("SELECT * FROM system_events").count == 1)
    }
  }

  @Test func oneProcessHoldsTheLeadersLock() async throws {
    try await FleetDatabase.with { database async throws in
      let configuration = FleetDatabase.configuration(database.login)
      let first = LeaderLock(configuration, name: "presence")
      let second = LeaderLock(configuration, name: "presence")
      let other = LeaderLock(configuration, name: "other")
      for _ in 0..<2 { #expect(try await first.hold()) }
      #expect(try await second.hold() == false)
      #expect(try await other.hold())
      await first.release()
      #expect(try await second.hold())
      #expect(try await first.hold() == false)
      for lock in [first, second, other] { await lock.release() }
    }
  }

  @Test func theFleetsClockIsTheDatabases() async throws {
    try await FleetDatabase.with { database in
      let lines = Lock<[String]>([])
      let clock = FleetClock(database.pool, logger: Logger(level: .info) { line in lines.withLock { $0.append(line) } })
      try await clock.measure()
      #expect(clock.currentOffset < .seconds(1) && clock.currentOffset > .seconds(-1))
      #expect(lines.withLock { $0.isEmpty })
    }
  }
}
