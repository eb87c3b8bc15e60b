import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// A spot notice marks its agent and is told once, however often it comes.
@Suite struct NoticeDeskTests {
  @Test func marksTheAgentAndTellsEachNoticeOnce() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("web-1")
      let notice = FleetDatabase.notice(agent)
      for expected in [NoticeOutcome.recorded, .repeated, .repeated] {
        #expect(try await database.agents.record(notice, from: agent.address) == expected)
      }
      // AWS changed its mind about the time, and the first notice comes late once more.
      let later = FleetDatabase.notice(agent, at: FleetDatabase.noticeTime.advanced(by: .seconds(60)), action: "stop")
      #expect(try await database.agents.record(later, from: agent.address) == .recorded)
      #expect(try await database.agents.record(notice, from: agent.address) == .repeated)
      #expect(try await database.agents.record(FleetDatabase.notice(agent, .rebalance), from: agent.address) == .recorded)
      let row = try #require(try await database.sql("SELECT interruption_action, interruption_time, rebalance_time FROM agents").first)
      #expect(try row.string("interruption_action") == "stop" && row.timestamp("interruption_time") == later.time)
      #expect(try row.timestamp("rebalance_time") == FleetDatabase.noticeTime)
      let events = try await database.events(.agentInterruption)
      #expect(events.map { $0.fields?["action"] } == ["terminate", "stop"])
      #expect(events[0].fields?["notice_time"] == "2027-01-15T08:00:00.000Z" && events[0].fields?["instance_id"] == "i-web-1")
      #expect(try await database.events(.agentRebalance).count == 1)
      let lines = try await database.sql("SELECT event_type, severity, agent_id, message FROM system_events ORDER BY id")
      #expect(try lines.map { try $0.string("event_type") } == ["spot_interruption", "spot_interruption", "spot_rebalance"])
      #expect(try lines.allSatisfy { try $0.string("severity") == "warning" && $0.string("agent_id") == agent.id })
    }
  }

  @Test func aNoticeOfAnotherInstanceOrAnothersAgentChangesNothing() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("web-1")
      let other = try await database.register("web-1", client: "c2")
      let former = FleetDatabase.notice(agent, instance: "i-former")
      #expect(try await database.agents.record(former, from: agent.address) == .ofFormerInstance(current: "i-web-1"))
      #expect(try await database.agents.record(FleetDatabase.notice(agent), from: other.address) == .unknownAgent)
      var nobody = FleetDatabase.notice(agent)
      nobody.agentID = "' OR 1=1 -- "
      #expect(try await database.agents.record(nobody, from: agent.address) == .unknownAgent)
      #expect(try await database.number("SELECT COUNT(*) AS n FROM agent_notices") == 0)
      #expect(try await database.events(.agentInterruption).isEmpty)
    }
  }

  @Test func twoServersThatGetTheSameNoticeAgainAndAgainTellItOnce() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await bench.subscribe(to: "agent.interruption")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 { group.addTask { try await bench.runServer() } }
        try await bench.waitUntilConsuming(2)
        try await bench.client("c1")
        let agents = [try await bench.register("a1"), try await bench.register("a2"), try await bench.register("a3")]
        let notices = try (0..<40).flatMap { _ in try agents.map { try bench.notice($0, at: FleetDatabase.noticeTime) } }
        try await bench.peer.publish(notices.shuffled())
        try await eventually("all notices were worked off", timeout: .seconds(60)) {
          bench.log.count("came before and changes nothing") + bench.log.count("WARNING - Spot interruption") >= notices.count
        }
        try await bench.waitUntilPublished()
        bench.stopServers()
        try await group.waitForAll()
        #expect(try await bench.database.events(.agentInterruption).count == 3)
        let deliveries = try await bench.peer.drain("subscriber")
        #expect(Set(deliveries.compactMap(\.message.messageID)).count == 3)
        #expect(bench.log.count("WARNING - Spot interruption (terminate, at 2027-01-15T08:00:00.000Z) for agent") == 3)
      }
    }
  }

  @Test func tellsAnAgentThatItDoesNotKnowAndKeepsWhatItCannotRead() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      try await bench.database.sql("DELETE FROM agents")
      let unknown = try bench.notice(agent, at: FleetDatabase.noticeTime)
      let rubbish = try BenchMessage.signed([0x7b, 0x7d], type: "notice", routingKey: "notice.c1.a1")
      try await bench.peer.publish([unknown])
      try await bench.peer.publish(rubbish, "notice.c1.a1")
      #expect(try await bench.peer.notice(for: unknown.message).status == 404)
      #expect(try await bench.peer.notice(for: rubbish).status == 400)
      #expect(try await bench.deadLetters(1).count == 1)
    }
  }
}
