import FleetProtocol
import Foundation
import MySQL
import Server
import ServiceRuntime
import TestSupport
import Testing

/// A rollout over a fleet of real servers.
@Suite struct RolloutFleetTests {
  private static let agents = 2000
  private static let window = 100

  @Test func twoServersOneOfThemKilledAndRestartedNeverExceedTheWindowAndEveryCommandEndsOnce() async throws {
    try await withFleet { fleet in
      let servers = [try await fleet.startServer(), try await fleet.startServer()]
      try await fleet.createClient()
      let crowd = try await WorkingCrowd(fleet, count: Self.agents, holdingAfter: Self.agents * 3 / 4)
      let begin = ContinuousClock.now
      let isReady = Lock(false)
      try await withThrowingTaskGroup(of: Int?.self) { group in
        group.addTask {
          try await crowd.work { isReady.withLock { $0 = true } }
          return nil
        }
        try await eventually("every agent consumes its queue", timeout: .seconds(60)) { isReady.withLock { $0 } }
        let preparing = begin.duration(to: .now)

        let start = ContinuousClock.now
        let id = try await startRollout(fleet)
        group.addTask { try await mostInFlight(fleet, id) }
        try await ended(fleet, id, 600)
        servers[0].program.send(SIGKILL)
        #expect(try await servers[0].program.waitForExit() == .signalled(SIGKILL))
        let killed = try await fleet.number("SELECT succeeded AS n FROM rollouts")
        let restarted = try await fleet.startServer()
        crowd.release()
        // What the killed one had claimed and not sent waits for the end of its lease, a minute: no other may send it before.
        try await eventually("the rollout has completed", timeout: .seconds(120)) {
          try await fleet.number("SELECT COUNT(*) AS n FROM rollouts WHERE id = ? AND state = 'completed'", [.text(id)]) == 1
        }
        let took = start.duration(to: .now)

        var most: Int?
        while most == nil, let number = try await group.next() { most = number }
        group.cancelAll()
        let seen = crowd.seen
        print(
          "\(Self.agents) agents (there after \(preparing.shortText)): rolled out in \(took.shortText), one server killed after \(killed) ends; in flight at most "
            + "\(most ?? 0) by the database and \(seen.most) by the agents; \(seen.starts.count) commands started, \(seen.repetitions) delivered again; "
            + "sent by the killed server \(Self.sent(by: servers[0])), by the other \(Self.sent(by: servers[1])), by the restarted \(Self.sent(by: restarted))"
        )
        #expect(Self.sent(by: restarted) > 0)
        #expect(most == Self.window)
        #expect(seen.most <= Self.window && seen.most > Self.window / 2)
        #expect(seen.starts.count == Self.agents && seen.starts.values.allSatisfy { $0 == 1 })
        #expect(seen.inFlight == 0 && seen.problems.isEmpty, "\(seen.problems.prefix(3))")
        try await expectEveryCommandEndedOnce(fleet, id)
        #expect(restarted.program.exitStatus == nil && servers[1].program.exitStatus == nil)
        #expect([restarted, servers[1]].allSatisfy { $0.program.count(" ERROR - ") == 0 }, "\(restarted.program.output)")
      }
    }
  }

  private static func sent(by server: Fleet.Server) -> Int { server.program.count("is in the queue of agent") }

  private func startRollout(_ fleet: Fleet) async throws -> String {
    let program = try await fleet.run(
      "spotctl",
      [
        "rollouts", "start", "ping", "--target", "name=worker-*", "--concurrency", "5%", "--max-errors", "0", "--canary", "1%", "--json",
      ], fleet.serverEnvironment())
    #expect(try await program.waitForExit() == .exited(0), "\(program.output)")
    let row = try #require(try await fleet.rows("SELECT id, concurrency_limit, canary_size, error_limit FROM rollouts").first)
    #expect(try row.int("concurrency_limit") == Self.window && row.int("canary_size") == 20 && row.int("error_limit") == 0)
    return try row.string("id")
  }

  private func ended(_ fleet: Fleet, _ id: String, _ count: Int) async throws {
    try await eventually("\(count) targets have ended", timeout: .seconds(60)) {
      try await fleet.number("SELECT succeeded AS n FROM rollouts WHERE id = ?", [.text(id)]) >= count
    }
  }

  /// Looks again and again how many commands are under way, until the rollout has completed; the most that it saw.
  private func mostInFlight(_ fleet: Fleet, _ id: String) async throws -> Int {
    var most = 0
    while true {
      let row = try await fleet.rows(
        """
        SELECT (SELECT COUNT(*) FROM commands WHERE rollout_id = r.id AND status IN ('pending', 'queued', 'delivered', 'running')) AS n, r.state \
        FROM rollouts r WHERE r.id = ?
        """, [.text(id)]
      ).first
      most = max(most, try row?.int("n") ?? 0)
      if try row?.string("state") == "completed" { return most }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  private func expectEveryCommandEndedOnce(_ fleet: Fleet, _ id: String) async throws {
    let commands = try #require(
      try await fleet.rows(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT agent_id) AS agents, CAST(SUM(status = 'succeeded') AS SIGNED) AS good FROM commands WHERE rollout_id = ?",
        [.text(id)]
      ).first)
    #expect(try commands.int("n") == Self.agents && commands.int("agents") == Self.agents && commands.int("good") == Self.agents)
    let ends = try #require(
      try await fleet.rows(
        """
        SELECT COUNT(*) AS n, COUNT(DISTINCT subject) AS commands FROM fleet_events WHERE type IN ('command.succeeded', 'command.failed', \
        'command.timed_out', 'command.expired', 'command.cancelled', 'command.undeliverable')
        """
      ).first)
    #expect(try ends.int("n") == Self.agents && ends.int("commands") == Self.agents)
    let counts = try #require(
      try await fleet.rows("SELECT succeeded, waiting, sent, failed, given_up FROM rollouts WHERE id = ?", [.text(id)]).first)
    #expect(try counts.int("succeeded") == Self.agents && counts.int("waiting") == 0 && counts.int("sent") == 0)
    let told = try await fleet.rows("SELECT type FROM fleet_events WHERE subject = ? ORDER BY seq", [.text(id)]).map {
      try $0.string("type")
    }
    #expect(told == ["rollout.started", "rollout.completed"])
  }
}
