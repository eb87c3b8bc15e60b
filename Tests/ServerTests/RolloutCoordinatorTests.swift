import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// Rollouts in a server that runs.
@Suite struct RolloutCoordinatorTests {
  private func state(_ id: String, _ bench: Bench) async throws -> Rollout { try await bench.database.rollout(id) }

  @Test func aServerFinishesAPreparationThatWasCutOffAndStartsTheRollout() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      try await bench.database.addAgents(30)
      var draft = RolloutDraft(commandType: "ping", target: "name=agent-*")
      draft.concurrency = .count(4)
      try await bench.database.rollouts.create(draft)
      #expect(try await bench.database.rollouts.preparePage(draft.id, limit: 10))
      try await bench.database.sql("UPDATE rollouts SET prepared_at = NOW(3) - INTERVAL 1 MINUTE")
      try await eventually("its first commands are written") { try await bench.database.inFlight(draft.id) == 4 }
      #expect(try await state(draft.id, bench).counts.total == 30)
      #expect(bench.log.count("finished the preparation") == 1)
    }
  }

  @Test func aTargetThatNobodyCanReadCancelsTheRolloutAndSaysSo() async throws {
    try await Bench.run { bench in
      let draft = RolloutDraft(commandType: "ping", target: "color=red")
      try await bench.database.rollouts.create(draft)
      try await bench.database.sql("UPDATE rollouts SET prepared_at = NOW(3) - INTERVAL 1 MINUTE")
      try await eventually("it is over") { try await state(draft.id, bench).finishedAt != nil }
      let rollout = try await state(draft.id, bench)
      #expect(rollout.state == .cancelled && rollout.reason?.contains("'color'") == true, "\(rollout)")
    }
  }

  @Test func aRowThatSomebodySpoiledHoldsUpNoOther() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      try await bench.database.addAgents(3)
      let spoiled = try await bench.database.start(concurrency: "1") { $0.start = .after(.seconds(600)) }
      try await bench.database.sql("UPDATE rollouts SET concurrency = 'many', start_at = NOW(3) WHERE id = '\(spoiled)'")
      let sound = try await bench.database.start(concurrency: "3")
      try await eventually("the sound one goes on") { try await bench.database.inFlight(sound) == 3 }
      try await eventually("the other is told of") { bench.log.count("Rollout \(spoiled) cannot go on") > 0 }
      #expect(bench.log.lines.contains { $0.contains("rollouts.concurrency is 'many'") })
    }
  }

  @Test func anAgentThatWasAwayGetsItsCommandWhenItRegisters() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      try await bench.database.sql("UPDATE agents SET status = 'offline'")
      let id = try await bench.database.start(concurrency: "1")
      try await eventually("it has begun") { try await bench.database.rollouts.progress(id)?.away == 1 }
      #expect(try await bench.database.inFlight(id) == 0)
      let again = try await bench.register("a1")
      #expect(again.agentID == agent.agentID && again.generation == 2)
      let delivery = try await bench.peer.read(1, from: try await bench.peer.consume(again.queue))[0]
      let command = try WireCoding.decode(Command.self, from: delivery.message.body)
      #expect(command.commandType == "ping" && command.timeoutSeconds == 60 && command.expiresAt != nil)
      try await bench.peer.publish([try bench.result(command.id, of: again)])
      try await eventually("it has completed") { try await state(id, bench).state == .completed }
    }
  }

  @Test func cancelledWhatIsUnderWayIsCancelledAtTheAgentToo() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      try await bench.database.addAgents(5, prefix: "away", status: .offline)
      let consumer = try await bench.peer.consume(agent.queue)
      let id = try await bench.database.start(concurrency: "2")
      let command = try await bench.peer.read(1, from: consumer)[0].message
      _ = try await bench.database.rollouts.cancel(id, keepRunning: false, reason: "by somebody")
      let cancellation = try await bench.peer.read(1, from: consumer)[0].message
      #expect(cancellation.type == CommandCancellation.type.rawValue)
      #expect(try WireCoding.decode(CommandCancellation.self, from: cancellation.body).commandID == command.messageID)
      #expect(try await state(id, bench).finishedAt == nil)
      try await bench.peer.publish([try bench.result(command.messageID ?? "", of: agent, status: .cancelled)])
      try await eventually("it is over") { try await state(id, bench).finishedAt != nil }
      let counts = try await state(id, bench).counts
      #expect(counts.cancelled == 1 && counts.calledOff == 5)
    }
  }
}
