import AMQP
import FleetProtocol
import ServiceRuntime
import SignedMessages
import TestSupport
import Testing

@testable import Server

/// Cancellations and priorities through a real broker.
@Suite struct CancelDispatchTests {
  private func row(_ id: String, _ bench: Bench) async throws -> StoredCommand {
    try #require(try await bench.database.commands.find(id: id))
  }

  private func cancel(_ id: String, _ bench: Bench) async throws {
    _ = try await bench.database.commands.requestCancel(ids: [id])
    let channel = try await bench.peer.channel()
    try await channel.enableConfirms()
    try await channel.publish(DispatchWakeup.publication())
    await channel.close()
  }

  @Test func anUrgentCommandAndACancellationOvertakeWhatWaitsInTheQueue() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      var waiting: [String] = []
      for priority in [25, 10, 75, 25, 50] {
        waiting.append(try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping", priority: priority))
      }
      try await eventually("all are in the queue") { try await bench.database.commands.list(.init(status: .queued)).rows.count == 5 }
      let urgent = try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping", priority: 100)
      try await eventually("the urgent one too") { try await row(urgent, bench).status == .queued }
      try await cancel(waiting[0], bench)
      try await eventually("the cancellation too") { try await bench.peer.status(agent.queue).messageCount == 7 }
      let deliveries = try await bench.peer.read(7, from: try await bench.peer.consume(agent.queue))
      let notice = try #require(deliveries.first)
      #expect(notice.message.type == "cancel" && notice.message.priority == CommandPriority.cancellationLevel)
      try notice.message.verifySignature(with: SigningKey(clientToken: BenchMessage.token), routingKey: agent.queue)
      let cancellation = try WireCoding.decode(CommandCancellation.self, from: notice.message.body)
      #expect(cancellation.commandID == waiting[0] && cancellation.agentID == agent.agentID)
      #expect(deliveries.dropFirst().map(\.message.messageID) == [urgent, waiting[2], waiting[4], waiting[0], waiting[3], waiting[1]])
    }
  }

  @Test func aRunningCommandIsCalledOffAgainInEachNewQueueUntilItsAgentAnswers() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let id = try await bench.database.commands.insert(agentID: agent.agentID, commandType: "sleep")
      let consumer = try await bench.peer.consume(agent.queue)
      #expect(try await bench.peer.read(1, from: consumer)[0].message.messageID == id)
      try await bench.peer.publish([try bench.progress(id, of: agent, .delivered), try bench.progress(id, of: agent, .running)])
      try await eventually("it runs") { try await row(id, bench).status == .running }
      try await cancel(id, bench)
      #expect(try await bench.peer.read(1, from: consumer)[0].message.type == "cancel")
      let again = try await bench.register("a1")
      let notice = try await bench.peer.read(1, from: try await bench.peer.consume(again.queue))[0]
      #expect(try WireCoding.decode(CommandCancellation.self, from: notice.message.body).commandID == id)
      #expect(try await row(id, bench).status == .running, "its end is the agent's to tell")
      try await bench.peer.publish([try bench.result(id, of: agent, status: .cancelled)])
      try await eventually("it is cancelled") { try await row(id, bench).status == .cancelled }
      #expect(try await row(id, bench).endedBy == .agent)
    }
  }

  @Test func aCancellationDoesNotWaitForABacklogAndEndsWhatHasNoQueue() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let lost = try await bench.register("a2")
      let id = try await bench.database.commands.insert(agentID: lost.agentID, commandType: "ping")
      try await eventually { try await row(id, bench).status == .queued }
      try await bench.peer.channel().deleteQueue(lost.queue)
      var backlog: [CommandDraft] = []
      for _ in 0..<5000 { backlog.append(CommandDraft(agentID: agent.agentID, clientID: "c1", commandType: "ping")) }
      try await bench.database.commands.insert(backlog)
      try await cancel(id, bench)
      try await eventually("it is ended") { try await row(id, bench).status == .cancelled }
      let left = try await bench.database.sql("SELECT COUNT(*) AS n FROM commands WHERE status = 'pending'")
      let pending = try left.first?.int("n") ?? -1
      bench.log.logger.info("cancelled with \(pending) of 5000 commands still to be sent")
      #expect(try await row(id, bench).error == "cancelled in the agent's queue; its agent has no queue")
      #expect(try await row(id, bench).endedBy == .server)
    }
  }

  @Test func progressAndRefusalsOfAgentsAreStored() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let id = try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping")
      try await eventually { try await row(id, bench).status == .queued }
      try await bench.peer.publish([
        try bench.progress(id, of: agent, .refused, reason: "signature does not match"),
        try bench.progress("made-up", of: agent, .refused, reason: "signature does not match"),
      ])
      try await eventually("both are told") {
        try await bench.database.sql("SELECT 1 FROM system_events WHERE event_type = 'command_refused'").count == 2
      }
      #expect(try await row(id, bench).error?.contains("signature does not match") == true)
      try await bench.peer.publish(try (0..<20).map { try bench.progress("flood-\($0)", of: agent, .refused, reason: "no") })
      try await bench.peer.publish([try bench.progress(id, of: agent, .delivered)])
      try await eventually { try await row(id, bench).status == .delivered }
      // What is told of one batch is stored after its reports: all of it is there when all is acknowledged.
      try await bench.expectEmptyAfterStop()
      let told = try await bench.database.sql("SELECT 1 FROM system_events WHERE event_type = 'command_refused'").count
      // Five a minute, of which two are told already, unless this test took that long.
      #expect((5...7).contains(told), "a flood is cut")
      #expect(try await bench.peer.status(Topology.deadLettersQueue).messageCount == 0)
    }
  }
}

extension Bench {
  func progress(_ commandID: String, of agent: RegistrationReply, _ stage: CommandProgress.Stage, reason: String? = nil) throws
    -> Publication
  {
    let address = try AgentAddress(clientID: agent.clientID, logicalAgentID: agent.logicalAgentID)
    let now = Timestamp.now()
    let body = CommandProgress(commandID: commandID, agentID: agent.agentID, stage: stage, reason: reason, at: now, sentAt: now)
    let message = try BenchMessage.signed(body, routingKey: address.routingKey(.result), token: BenchMessage.token(of: agent.clientID))
    return Publication(message, to: Topology.inboxExchange, routingKey: address.routingKey(.result))
  }
}
