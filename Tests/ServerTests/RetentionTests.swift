import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// What is old and over goes, in small batches and without waiting for anybody; what may still be needed stays.
@Suite struct RetentionTests {
  private static let open: [CommandStatus] = [.pending, .queued, .delivered, .running]

  private func command(
    _ database: FleetDatabase, _ agent: Agent, _ status: CommandStatus, endedDaysAgo days: Int?,
    _ change: (inout CommandDraft) -> Void = { _ in }
  ) async throws -> String {
    var draft = CommandDraft(agentID: agent.id, clientID: "c1", commandType: "ping")
    change(&draft)
    let id = try await database.commands.insert(draft)
    let end = days.map { "NOW(3) - INTERVAL \($0) DAY" } ?? "NULL"
    try await database.sql(
      "UPDATE commands SET status = '\(status.rawValue)', created_at = NOW(3) - INTERVAL 90 DAY, finished_at = \(end) WHERE id = '\(id)'")
    return id
  }

  private func clean(_ database: FleetDatabase, days: Int = 30, rowsAtOnce: Int = 3) async throws {
    let log = BenchLog()
    try await Retention(database.pool, days: days, rowsAtOnce: rowsAtOnce, logger: log.logger).removeWhatIsOld()
    #expect(log.count("cannot be removed") == 0, "\(log.lines)")
  }

  private func commandIDs(_ database: FleetDatabase) async throws -> Set<String> {
    Set(try await database.sql("SELECT id FROM commands").map { try $0.string("id") })
  }

  @Test func commandsThatEndedLongAgoGoAndOpenAndYoungOnesStay() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      var kept: Set<String> = []
      for status in CommandStatus.allCases.filter(\.isFinal) {
        for days in [31, 60] { _ = try await command(database, agent, status, endedDaysAgo: days) }
        kept.insert(try await command(database, agent, status, endedDaysAgo: 29))
      }
      for status in Self.open {
        kept.insert(try await command(database, agent, status, endedDaysAgo: nil))
        // Put back to be sent again, by hand.
        kept.insert(try await command(database, agent, status, endedDaysAgo: 60))
      }
      // By its id another import sees that it was here.
      kept.insert(try await command(database, agent, .succeeded, endedDaysAgo: 60) { $0.source = FleetImport.source })
      _ = try await command(database, agent, .succeeded, endedDaysAgo: 60) { $0.source = "an operator" }
      try await clean(database)
      #expect(try await commandIDs(database) == kept)
      try await clean(database, days: 7)
      #expect(
        try await database.number("SELECT COUNT(*) AS n FROM commands") == kept.count - CommandStatus.allCases.count(where: \.isFinal))
    }
  }

  @Test func eachTableHasItsTime() async throws {
    try await FleetDatabase.with { database in
      try await database.register("a1")
      for (type, days) in [("old", 31), ("young", 29)] {
        try await database.events.insert(SystemEvent(type, message: "m"))
        try await database.sql("UPDATE system_events SET timestamp = NOW(3) - INTERVAL \(days) DAY WHERE event_type = '\(type)'")
        try await database.sql(
          "INSERT INTO agent_notices (agent_key, kind, time, received_at) VALUES (1, '\(type)', NOW(3), NOW(3) - INTERVAL \(days) DAY)")
      }
      try await database.sql("DELETE FROM fleet_events")
      for (type, published) in [
        ("old", "NOW(3) - INTERVAL 8 DAY"), ("young", "NOW(3) - INTERVAL 6 DAY"), ("waiting", "NULL"),
      ] {
        try await database.sql(
          """
          INSERT INTO fleet_events (id, time, type, data, published_at) \
          VALUES (UUID(), NOW(3) - INTERVAL 60 DAY, '\(type)', '{}', \(published))
          """)
      }
      try await clean(database, days: 30)
      #expect(
        try await database.sql("SELECT event_type FROM system_events WHERE event_type IN ('old', 'young')").map {
          try $0.string("event_type")
        }
          == ["young"])
      #expect(try await database.sql("SELECT kind FROM agent_notices").map { try $0.string("kind") } == ["young"])
      let events = try await database.sql("SELECT type FROM fleet_events ORDER BY seq").map { try $0.string("type") }
      #expect(events == ["young", "waiting"], "what is not published yet is not lost")
    }
  }

  @Test func aRolloutGoesAsAWholeAndOneThatGoesOnKeepsItsNumbers() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(7)
      var ids: [String: String] = [:]
      for name in ["long over", "called off long ago", "over", "running", "paused"] {
        let id = try await database.start(concurrency: name.hasSuffix("over") ? "100%" : "4", maxErrors: "100%")
        ids[name] = id
        try await database.advance(id)
        try await database.end(id, 3)
        if name == "called off long ago" { _ = try await database.rollouts.cancel(id, keepRunning: true, reason: "enough") }
        if name == "paused" { _ = try await database.rollouts.pause(id, reason: "lunch") }
        if name != "running" && name != "paused" { try await database.end(id, as: .failed) }
        try await database.advance(id)
      }
      try await database.sql("UPDATE commands SET finished_at = NOW(3) - INTERVAL 60 DAY WHERE finished_at IS NOT NULL")
      for name in ["long over", "called off long ago"] {
        let rollout = try await database.rollout(try #require(ids[name]))
        #expect(rollout.finishedAt != nil, "\(name): \(rollout.state)")
        try await database.sql("UPDATE rollouts SET finished_at = NOW(3) - INTERVAL 31 DAY WHERE id = '\(rollout.id)'")
      }
      var before: [String: (rollout: Rollout, commands: Int)] = [:]
      for (name, id) in ids {
        let commands = try await database.number("SELECT COUNT(*) AS n FROM commands WHERE rollout_id = '\(id)'")
        before[name] = (try await database.rollout(id), commands)
      }
      try await clean(database)
      for (name, id) in ids {
        let commands = try await database.number("SELECT COUNT(*) AS n FROM commands WHERE rollout_id = '\(id)'")
        let targets = try await database.number("SELECT COUNT(*) AS n FROM rollout_targets WHERE rollout_id = '\(id)'")
        if name.contains("long") {
          #expect(try await database.rollouts.find(id: id) == nil && commands == 0 && targets == 0, "\(name)")
          #expect(try await database.rollouts.retry(id) == nil, "nobody can order it to go on")
        } else {
          let old = try #require(before[name])
          #expect(try await database.rollout(id) == old.rollout && commands == old.commands && targets == 7, "\(name)")
          #expect(try await database.countsAreTrue(id))
        }
      }
      // The one that runs gets to its end.
      let running = try #require(ids["running"])
      for _ in 0..<3 {
        try await database.end(running)
        try await database.advance(running)
      }
      let rollout = try await database.rollout(running)
      #expect(rollout.state == .completed && rollout.counts.succeeded == 7)
    }
  }

  @Test func whatARemovedRolloutLeftIsFoundAndWhatIsOpenOrYoungOfItStays() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      try await database.addAgents(7)
      let (gone, other) = (try await database.start(concurrency: "1"), try await database.start(concurrency: "1"))
      var kept: Set<String> = []
      for (id, isKept) in [(gone, false), (other, true), ("written by hand", false)] {
        for days in [40, 50, 60, 70] {
          let command = try await command(database, agent, .succeeded, endedDaysAgo: days) { $0.rolloutID = id }
          if isKept { kept.insert(command) }
        }
        kept.insert(try await command(database, agent, .running, endedDaysAgo: nil) { $0.rolloutID = id })
        kept.insert(try await command(database, agent, .succeeded, endedDaysAgo: 5) { $0.rolloutID = id })
      }
      // As a server leaves it that dies after it has removed the rollout's row.
      try await database.sql("DELETE FROM rollouts WHERE id = '\(gone)'")
      try await clean(database)
      #expect(try await commandIDs(database) == kept)
      let targets = try await database.sql("SELECT DISTINCT rollout_id FROM rollout_targets").map { try $0.string("rollout_id") }
      #expect(targets == [other])
    }
  }

  @Test func oneBatchIsBoundedByRowsAndByTheirOutput() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      for days in 0..<10 { _ = try await command(database, agent, .succeeded, endedDaysAgo: 40 + days) }
      let first = try await database.commands.prune(.ofNoRollout, olderThanDays: 30, limit: 4)
      #expect(first.removed == 4)
      let oldest = try await database.sql("SELECT MIN(finished_at) AS oldest FROM commands").first?.timestamp("oldest")
      #expect(try #require(first.reached) < #require(oldest), "the oldest go first")
      try await database.sql("UPDATE commands SET stdout_bytes = 3 * 1024 * 1024 * 1024")
      try await database.sql("UPDATE commands SET stderr_bytes = 5 ORDER BY finished_at LIMIT 1")
      for _ in 0..<4 { _ = try await command(database, agent, .failed, endedDaysAgo: 35) }
      try await database.sql("UPDATE commands SET stdout_bytes = 3 * 1024 * 1024 WHERE status = 'failed'")
      let second = try await database.commands.prune(.ofNoRollout, olderThanDays: 30, from: first.reached, limit: 1000)
      #expect(second.removed == 8, "of each command a mebibyte is stored at most, whatever it wrote")
      let third = try await database.commands.prune(.ofNoRollout, olderThanDays: 30, from: second.reached, limit: 1000)
      #expect(third.removed == 2)
      #expect(try await database.commands.prune(.ofNoRollout, olderThanDays: 30, from: third.reached, limit: 1000).removed == 0)
    }
  }

  @Test func aCommandThatSomebodyHoldsIsNotWaitedFor() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      var ids: [String] = []
      for days in 0..<3 { ids.append(try await command(database, agent, .timedOut, endedDaysAgo: 40 + days)) }
      let held = ids[1]
      let batch = try await database.pool.transaction { connection in
        _ = try await connection.query("SELECT seq FROM commands WHERE id = ? FOR UPDATE", [.text(held)])
        return try await database.commands.prune(.ofNoRollout, olderThanDays: 30, limit: 1000)
      }
      #expect(batch.removed == 2)
      #expect(try await commandIDs(database) == [held])
      try await clean(database)
      #expect(try await commandIDs(database).isEmpty)
    }
  }

  @Test func serversAtOnceRemoveTheSameRowsWithoutHarmWhileAgentsCorrectThem() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let drafts = (0..<300).map { _ in CommandDraft(agentID: agent.id, clientID: "c1", commandType: "ping") }
      try await database.pool.transaction { try await CommandStore.insert(drafts, on: $0) }
      // What its agent may still correct.
      try await database.sql("UPDATE commands SET status = 'timed_out', ended_by = 'server', finished_at = NOW(3) - INTERVAL 40 DAY")
      let corrected = drafts.prefix(60).map(\.id)
      let accepted = try await withThrowingTaskGroup(of: Set<String>.self) { group in
        for _ in 0..<2 {
          group.addTask {
            try await clean(database, rowsAtOnce: 25)
            return []
          }
        }
        group.addTask {
          var accepted: Set<String> = []
          for start in stride(from: 0, to: corrected.count, by: 10) {
            let ids = Array(corrected[start..<start + 10])
            let reports = ids.map { id in
              let result = CommandResult(
                commandID: id, agentID: agent.id, status: .succeeded, startedAt: .now(), finishedAt: .now(), sentAt: .now())
              return SignedReport(.result(result), from: agent.address)
            }
            let outcomes = try await database.commands.apply(reports)
            for (id, outcome) in zip(ids, outcomes) {
              #expect(outcome == .accepted || outcome == .unknown)
              if outcome == .accepted { accepted.insert(id) }
            }
          }
          return accepted
        }
        return try await group.reduce(into: Set<String>()) { $0.formUnion($1) }
      }
      // What was held by a correction was left for the next round, and is young now.
      try await clean(database)
      #expect(try await commandIDs(database) == accepted)
      #expect(try await database.number("SELECT COUNT(*) AS n FROM commands WHERE status <> 'succeeded'") == 0)
    }
  }

  @Test func whatIsOldIsFoundByAnIndexInItsOrder() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let drafts = (0..<2000).map { index in
        var draft = CommandDraft(agentID: agent.id, clientID: "c1", commandType: "ping")
        if index % 2 == 0 { draft.rolloutID = "r\(index % 10)" }
        return draft
      }
      try await database.pool.transaction { try await CommandStore.insert(drafts, on: $0) }
      try await database.sql("UPDATE commands SET status = 'succeeded', finished_at = NOW(3) - INTERVAL seq MINUTE")
      try await database.sql("ANALYZE TABLE commands")
      for group in [CommandStore.OldCommands.ofNoRollout, .ofRemovedRollout("r2")] {
        for reached in [false, true] {
          var query = CommandStore.pruningCandidates(group, from: reached)
          if case .ofRemovedRollout(let id) = group { query = query.replacing("rollout_id = ?", with: "rollout_id = '\(id)'") }
          query = query.replacing("INTERVAL ? DAY", with: "INTERVAL 1 DAY").replacing("LIMIT ?", with: "LIMIT 1000")
            .replacing("finished_at >= ?", with: "finished_at >= NOW(3) - INTERVAL 2 DAY")
          let plan = try #require(try await database.sql("EXPLAIN FORMAT=TRADITIONAL \(query)").first)
          #expect(try plan.optionalString("type") == "range" && plan.optionalString("key") == "commands_age", "\(query)")
          #expect(try plan.int("rows") < 700, "young commands and those of other rollouts are not looked at")
          #expect(try plan.optionalString("Extra")?.contains("filesort") != true, "\(query)")
        }
      }
      #expect(try await database.rollouts.mention(in: .commands, after: "")?.rolloutID == "r0")
      let last = try #require(try await database.rollouts.mention(in: .commands, after: "r6"))
      #expect(last.rolloutID == "r8" && last.isRemoved)
      #expect(try await database.rollouts.mention(in: .commands, after: "r8") == nil)
    }
  }

  @Test func aResultThatComesAfterItsCommandWasRemovedIsKeptAsADeadLetterAndHoldsNothingUp() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let (old, new) = (
        try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping"),
        try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping")
      )
      try await bench.database.sql(
        "UPDATE commands SET status = 'timed_out', ended_by = 'server', finished_at = NOW(3) - INTERVAL 31 DAY WHERE id = '\(old)'")
      try await eventually("the old command is removed", timeout: .seconds(60)) {
        _ = try await bench.database.commands.prune(.ofNoRollout, olderThanDays: 30, limit: 1000)
        return try await bench.database.commands.find(id: old) == nil
      }
      try await bench.peer.publish([try bench.result(old, of: agent), try bench.result(new, of: agent)])
      try await eventually("the other command has its result", timeout: .seconds(60)) {
        try await bench.database.commands.find(id: new)?.status == .succeeded
      }
      let letters = try await bench.deadLetters(1)
      let reasons = letters.compactMap { letter in if case .text(let text) = letter.message.headers["reason"] { text } else { nil } }
      #expect(reasons.count == 1 && reasons.first?.contains("has no command \(old)") == true, "\(reasons)")
      #expect(try await bench.database.commands.find(id: old) == nil, "a result does not bring a removed row back")
      try await bench.expectEmptyAfterStop()
    }
  }
}
