import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// From a row in `commands` to the agent's queue.
@Suite struct DispatchTests {
  private func status(_ id: String, _ bench: Bench) async throws -> StoredCommand {
    guard let command = try await bench.database.commands.find(id: id) else { throw UnexpectedVerdict(description: "no command \(id)") }
    return command
  }

  @Test func isWokenByAWriterAndSweepsForOthers() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let consumer = try await bench.peer.consume(agent.queue)
      let channel = try await bench.peer.channel()
      try await channel.enableConfirms()
      var latencies: [Duration] = []
      for number in 0..<200 {
        let id = try await bench.database.commands.insert(
          agentID: agent.agentID, commandType: "ping", parameters: .object(["n": .int(Int64(number))]))
        let start = ContinuousClock.now
        try await channel.publish(DispatchWakeup.publication())
        let delivery = try await bench.peer.read(1, from: consumer)[0]
        latencies.append(start.duration(to: .now))
        #expect(delivery.message.messageID == id)
      }
      latencies.sort()
      // Measured for a person to read; the bound only tells a wake-up from a sweep on a machine that does many things.
      #expect(latencies[198] < .seconds(5), "p50 \(latencies[100]) p99 \(latencies[198])")
      bench.log.logger.info("wake-up to delivery: p50 \(latencies[100]) p99 \(latencies[198])")

      try await bench.database.sql("INSERT INTO commands (agent_id, command_type) VALUES ('\(agent.agentID)', 'describe')")
      let swept = try await bench.peer.read(1, from: consumer)[0]
      let command = try WireCoding.decode(Command.self, from: swept.message.body)
      #expect(command.commandType == "describe" && command.priority == CommandPriority.normal && swept.message.expiration == nil)
      try await eventually { try await status(command.id, bench).status == .queued }
    }
  }

  @Test func sendsTheUrgentFirstAndClosesWhatCannotBeSent() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await bench.client("c1")
      let declaring = try await bench.peer.channel()
      try await ServerTopology.declare(on: declaring)
      let agent = try await bench.database.register("a1")
      let queue = try #require(agent.queue)
      _ = try await declaring.declareQueue(queue)
      try await declaring.bindQueue(queue, to: Topology.commandsExchange, routingKey: queue)
      let commands = bench.database.commands
      let low = try await commands.insert(agentID: agent.id, commandType: "ping", priority: 10)
      let normal = try await commands.insert(agentID: agent.id, commandType: "ping")
      let urgent = try await commands.insert(agentID: agent.id, commandType: "ping", priority: 100)
      let later = try await commands.insert(agentID: agent.id, commandType: "ping", priority: 100)
      // Beyond what the broker can count: once enough to close the publishing channel for ever.
      let distant = try await commands.insert(
        agentID: agent.id, commandType: "ping", priority: 200, expiresAt: .now().advanced(by: .seconds(90 * 86_400)))
      let expired = try await commands.insert(agentID: agent.id, commandType: "ping", expiresAt: .now().advanced(by: .seconds(-1)))
      try await bench.database.sql(
        "INSERT INTO commands (id, agent_id, command_type, parameters, priority) VALUES ('broken', '\(agent.id)', 'ping', '{nonsense', 255), "
          + "('wild', '\(agent.id)', 'ping', '{}', 9999), ('orphan', 'no-such-agent', 'ping', '{}', 1)")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        let consumer = try await bench.peer.consume(queue)
        let sent = try await bench.peer.read(5, from: consumer).map(\.message.messageID)
        #expect(sent == [distant, urgent, later, normal, low])
        try await eventually("all are settled") { try await commands.list(.init(status: .pending)).rows.isEmpty }
        #expect(try await status(expired, bench).status == .expired)
        let broken = try await status("broken", bench)
        #expect(broken.status == .undeliverable && broken.error?.contains("commands.parameters") == true)
        let wild = try await status("wild", bench)
        #expect(wild.status == .undeliverable && wild.error?.contains("priority") == true)
        #expect(try await status("orphan", bench).status == .undeliverable)
        bench.stopServers()
        try await group.waitForAll()
      }
      #expect(bench.log.count("Publishing channel") == 0)
    }
  }

  @Test func keepsTheOrderOfAnAgentsCommandsWhileManyBatchesAreUnderWay() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let count = 3 * Dispatcher.batchSize + 1
      let rows = Array(repeating: "('\(agent.agentID)', 'ping')", count: count).joined(separator: ", ")
      try await bench.database.sql("INSERT INTO commands (agent_id, command_type) VALUES \(rows)")
      let sent = try await bench.peer.read(count, from: try await bench.peer.consume(agent.queue)).map(\.message.messageID)
      let written = try await bench.database.pool.withConnection { connection in
        try await connection.query("SELECT id FROM commands ORDER BY seq").map { try $0.string("id") }
      }
      #expect(sent == written)
      try await eventually("all are settled") { try await bench.database.commands.list(.init(status: .pending)).rows.isEmpty }
    }
  }

  @Test func keepsACommandUntilItsAgentHasAQueue() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      // The queue expired, or its node is gone; the row does not know.
      try await bench.peer.channel().deleteQueue(agent.queue)
      let id = try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping")
      try await eventually { try await status(id, bench).error?.contains("no queue") == true }
      #expect(try await status(id, bench).status == .pending)
      let again = try await bench.register("a1")
      #expect(again.generation == 2)
      let delivery = try await bench.peer.read(1, from: try await bench.peer.consume(again.queue))[0]
      #expect(delivery.message.messageID == id)
      try await eventually { try await status(id, bench).status == .queued }
      #expect(try await status(id, bench).error == nil)
    }
  }

  @Test func keepsTheCommandsOfADisabledClientUntilItIsEnabled() async throws {
    // The server starts after the client was disabled, so that it remembers no active account.
    try await Bench.run(withoutServer: true) { bench in
      try await bench.client("c1")
      let declaring = try await bench.peer.channel()
      try await ServerTopology.declare(on: declaring)
      let agent = try await bench.database.register("a1")
      let queue = try #require(agent.queue)
      _ = try await declaring.declareQueue(queue)
      try await declaring.bindQueue(queue, to: Topology.commandsExchange, routingKey: queue)
      try await bench.database.sql("UPDATE clients SET is_active = 0 WHERE id = 'c1'")
      let id = try await bench.database.commands.insert(agentID: agent.id, commandType: "ping")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        try await eventually("the row says why it waits") { try await status(id, bench).error?.contains("is disabled") == true }
        #expect(try await status(id, bench).status == .pending)
        try await bench.database.sql("UPDATE clients SET is_active = 1 WHERE id = 'c1'")
        let consumer = try await bench.peer.consume(queue)
        #expect(try await bench.peer.read(1, from: consumer)[0].message.messageID == id)
        bench.stopServers()
        try await group.waitForAll()
      }
    }
  }

  @Test func sendsAgainWhatADispatcherThatDiedHadClaimed() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let consumer = try await bench.peer.consume(agent.queue)
      let commands = bench.database.commands
      // Written already claimed, so that the running dispatcher is no faster.
      try await bench.database.sql(
        "INSERT INTO commands (id, agent_id, command_type, lease_until, attempts) VALUES ('held', '\(agent.agentID)', 'ping', NOW(3) + INTERVAL 3 SECOND, 1)"
      )
      try await bench.database.sql("INSERT INTO commands (id, agent_id, command_type) VALUES ('free', '\(agent.agentID)', 'ping')")
      #expect(try await bench.peer.read(1, from: consumer)[0].message.messageID == "free")
      #expect(try await commands.find(id: "held")?.status == .pending)
      #expect(try await bench.peer.read(1, from: consumer)[0].message.messageID == "held")
      try await eventually { try await status("held", bench).status == .queued }
    }
  }
}
