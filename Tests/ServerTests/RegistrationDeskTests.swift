import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// A registration gives a row, a queue and an answer, once, however often it comes.
@Suite struct RegistrationDeskTests {
  private func request(_ name: String, session: String, sentAt: Timestamp, generation: Int? = nil, id: String = randomUUID()) throws
    -> Publication
  {
    let key = try AgentAddress(clientID: "c1", logicalAgentID: name).routingKey(.register)
    let body = FleetDatabase.request(name, session: session, sentAt: sentAt, generation: generation)
    return Publication(try BenchMessage.signed(body, routingKey: key, id: id), to: Topology.inboxExchange, routingKey: key)
  }

  private func answer(_ bench: Bench, _ request: Publication, count: Int = 1) async throws -> RegistrationReply {
    let reply = try await eventualValue("\(count) answers") {
      let replies = bench.peer.replies(to: request.message)
      return replies.count >= count ? replies.last : nil
    }
    return try WireCoding.decode(RegistrationReply.self, from: reply.body)
  }

  @Test func keepsItsGenerationWhenItIsRepeated() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let first = try request("a1", session: "s1", sentAt: .now())
      try await bench.peer.publish([first, first])
      let reply = try await answer(bench, first, count: 2)
      #expect(reply.generation == 1 && reply.queue == "agent.c1.a1.1" && reply.clientID == "c1" && reply.heartbeatIntervalSeconds == 30)
      try await bench.peer.publish([first])
      #expect(try await answer(bench, first, count: 3) == reply.with(serverTime: answer(bench, first, count: 3).serverTime))
      #expect(try await bench.agent(reply).generation == 1)
      #expect(try await bench.peer.status("agent.c1.a1.1").consumerCount == 0)
      try await bench.expectEmptyAfterStop()
    }
  }

  @Test func refusesAnOldProcessWhileANewOneIsAlive() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let start = Timestamp.now()
      let old = try request("a1", session: "old", sentAt: start)
      try await bench.peer.publish([old])
      _ = try await answer(bench, old)
      let new = try request("a1", session: "new", sentAt: start.advanced(by: .milliseconds(5)))
      try await bench.peer.publish([new])
      #expect(try await answer(bench, new).generation == 2)
      // Its queue is gone, so it registers again, with the generation that it had; and its first registration comes once more.
      let again = try request("a1", session: "old", sentAt: start.advanced(by: .seconds(1)), generation: 1)
      let replayed = try request("a1", session: "old", sentAt: start)
      try await bench.peer.publish([again, replayed])
      for refused in [again, replayed] {
        let notice = try await bench.peer.notice(for: refused.message)
        #expect(notice.status == 409 && notice.error == "Another agent runs under this logical id")
      }
      #expect(try await bench.agent(answer(bench, new)).generation == 2)
      try await bench.expectEmptyAfterStop()
    }
  }

  @Test func leavesOneQueueAfterManyAtOnce() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let now = Timestamp.now()
      let requests = try (0..<12).map { try request("a1", session: "s\($0)", sentAt: now.advanced(by: .seconds(Double($0)))) }
      try await bench.peer.publish(requests.map { $0 })
      var generations: Set<Int> = []
      for request in requests {
        let message = try await bench.peer.reply(to: request.message)
        // One that was sent before the one that won is an old one; which ones that are depends on the order they got the row in.
        guard message.type == "registered" else { continue }
        generations.insert(try WireCoding.decode(RegistrationReply.self, from: message.body).generation)
      }
      let agent = try #require(try await bench.database.agents.find(AgentAddress(clientID: "c1", logicalAgentID: "a1")))
      #expect(generations == Set(1...agent.generation))
      #expect(try await bench.peer.status("agent.c1.a1.\(agent.generation)").messageCount == 0)
      for generation in 1..<max(2, agent.generation) where generation != agent.generation {
        try await eventually("queue \(generation) is deleted") {
          do throws(AMQPError) {
            _ = try await bench.peer.status("agent.c1.a1.\(generation)")
            return false
          } catch {
            return error.kind == .channelClosed(code: 404)
          }
        }
      }
      #expect(bench.log.count("Worker is consuming") == 1)
      try await bench.expectEmptyAfterStop()
    }
  }

  @Test func usesAQueueThatWasDeclaredOtherwiseAndPutsAsideOneThatItCannotUse() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let channel = try await bench.peer.channel()
      _ = try await channel.declareQueue("agent.c1.older.1")
      _ = try await channel.declareQueue("agent.c1.taken.1", durable: false, exclusive: true)
      let older = try request("older", session: "s", sentAt: .now())
      let taken = try request("taken", session: "s", sentAt: .now())
      let others = try (0..<10).map { try request("a\($0)", session: "s", sentAt: .now()) }
      try await bench.peer.publish([taken, older] + others + [taken, older])
      #expect(try await answer(bench, older, count: 2).queue == "agent.c1.older.1")
      for other in others { #expect(try await answer(bench, other).generation == 1) }
      let letters = try await bench.deadLetters(2)
      for letter in letters {
        guard case .text(let reason) = letter.message.headers["reason"] else { throw UnexpectedVerdict(description: "no reason") }
        #expect(
          reason.contains("queue agent.c1.taken.1 cannot be used")
            && letter.message.headers["original-routing-key"] == .text("register.c1.taken"))
      }
      // It is bound: commands reach it.
      try await channel.enableConfirms()
      try await channel.publish(Publication(Message(body: []), to: Topology.commandsExchange, routingKey: "agent.c1.older.1"))
      #expect(bench.log.count("Worker is consuming") == 1)
      try await bench.expectEmptyAfterStop()
    }
  }

  @Test func answersAProbeFromTheRowAndChangesNothing() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let before = try probe("a1")
      try await bench.peer.publish([before])
      let unknown = try await probed(bench, before)
      #expect(unknown.outcome == .created && unknown.agentID == nil && unknown.queue == nil && unknown.clientID == "c1")
      #expect(try await bench.database.agents.list().rows.isEmpty)

      let start = Timestamp.now()
      let registration = try request("a1", session: "s", sentAt: start)
      try await bench.peer.publish([registration])
      let reply = try await answer(bench, registration)
      let row = try await bench.agent(reply)
      let events = try await bench.database.number("SELECT COUNT(*) AS n FROM fleet_events")
      let (known, older) = (try probe("a1"), try probe("a1", sentAt: start.advanced(by: .seconds(-5))))
      try await bench.peer.publish([known, older])
      let renewed = try await probed(bench, known)
      #expect(renewed.outcome == .renewed && renewed.agentID == reply.agentID && renewed.queue == reply.queue && renewed.generation == 1)
      #expect(renewed.status == .online && renewed.lastHeartbeatAt == row.lastHeartbeatAt && renewed.instanceID == row.machine.instanceID)
      // A registration of before the one that holds the name would be an old one that comes late.
      #expect(try await probed(bench, older).outcome == .refused)
      #expect(try await bench.agent(reply) == row)
      #expect(try await bench.database.number("SELECT COUNT(*) AS n FROM fleet_events") == events)
      #expect(try await bench.peer.status(reply.queue).messageCount == 0)

      let foreign = try probe("a2", key: "register.c1.a1")
      try await bench.peer.publish([foreign])
      #expect(try await bench.peer.notice(for: foreign.message).details?["logical_agent_id"] == ["is not the one of the routing key"])
    }
  }

  private func probe(_ name: String, sentAt: Timestamp = .now(), key: String? = nil) throws -> Publication {
    let key = try key ?? AgentAddress(clientID: "c1", logicalAgentID: name).routingKey(.register)
    let body = RegistrationProbe(logicalAgentID: name, sentAt: sentAt)
    return Publication(try BenchMessage.signed(body, routingKey: key), to: Topology.inboxExchange, routingKey: key)
  }

  private func probed(_ bench: Bench, _ probe: Publication) async throws -> RegistrationProbeReply {
    let message = try await bench.peer.reply(to: probe.message)
    #expect(message.type == "probed")
    return try WireCoding.decode(RegistrationProbeReply.self, from: message.body)
  }

  @Test func tellsWhatIsWrongWithIt() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      try await bench.client("off", isActive: false)
      let other = Publication(
        try BenchMessage.signed(FleetDatabase.request("a2", session: "s", sentAt: .now()), routingKey: "register.c1.a1"),
        to: Topology.inboxExchange, routingKey: "register.c1.a1")
      let disabled = Publication(
        try BenchMessage.signed(
          FleetDatabase.request("a1", session: "s", sentAt: .now()), routingKey: "register.off.a1", token: BenchMessage.token(of: "off")),
        to: Topology.inboxExchange, routingKey: "register.off.a1")
      try await bench.peer.publish([other, disabled])
      let mismatch = try await bench.peer.notice(for: other.message)
      #expect(mismatch.status == 400 && mismatch.details?["logical_agent_id"] == ["is not the one of the routing key"])
      #expect(try await bench.peer.notice(for: disabled.message).status == 403)
      #expect(try await bench.deadLetters(1).count == 1)
      #expect(try await bench.database.agents.list().rows.isEmpty)
    }
  }
}

extension RegistrationReply {
  fileprivate func with(serverTime: Timestamp) -> RegistrationReply {
    var copy = self
    copy.serverTime = serverTime
    return copy
  }
}
