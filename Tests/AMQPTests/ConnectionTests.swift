import ServiceRuntime
import TestSupport
import Testing

@testable import AMQP

@Suite struct ConnectionTests {
  @Test func closedPortSaysConnectionRefusedAsTheGuideDoes() async throws {
    try await BrokerFixture.run { fixture in
      let error = await #expect(throws: AMQPError.self) {
        try await fixture.withConnection({ $0.port = 1 }) { _ in }
      }
      #expect(error?.kind == .connect(errno: 111))
      #expect(error?.message == "[Errno 111] Connection refused")
    }
  }

  @Test func unresolvableNameSaysSo() async throws {
    try await BrokerFixture.run { fixture in
      let error = await #expect(throws: AMQPError.self) {
        try await fixture.withConnection({ $0.host = "no-such-host.invalid" }) { _ in }
      }
      #expect(error?.message.hasPrefix("[Errno -") == true)
    }
  }

  @Test func wrongPasswordIsALoginRefusalWithoutThePassword() async throws {
    try await BrokerFixture.run { fixture in
      let error = await #expect(throws: AMQPError.self) {
        try await fixture.withConnection({ $0.password = "wrong-and-secret" }) { _ in }
      }
      #expect(error?.kind == .loginRefused)
      #expect(error?.message.contains("wrong-and-secret") == false)
    }
  }

  @Test func missingVirtualHostIsNamed() async throws {
    try await BrokerFixture.run { fixture in
      let error = await #expect(throws: AMQPError.self) {
        try await fixture.withConnection({ $0.virtualHost = "nowhere" }) { _ in }
      }
      #expect(error?.kind == .connectionClosed(code: 530))
      #expect(error?.message.contains("nowhere") == true)
    }
  }

  @Test func peerThatIsNoBrokerIsAnErrorAndNoHang() async throws {
    try await BrokerFixture.run { fixture in
      await #expect(throws: AMQPError.self) {
        try await fixture.withConnection({
          $0.port = fixture.services.database.port
          $0.connectTimeout = .seconds(2)
        }) { _ in }
      }
    }
  }

  @Test func idleConnectionOutlivesManyHeartbeats() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection({ $0.heartbeat = .seconds(1) }) { connection in
        // The broker gives a silent client up after two to three intervals; six prove that ours is serviced while nobody calls.
        let ended = try? await withDeadline(.seconds(6)) { await connection.waitUntilClosed() }
        #expect(ended == nil)
        _ = try await connection.openChannel().declareQueue("", durable: false, exclusive: true)
      }
    }
  }

  @Test func connectionClosedByTheBrokerIsReportedWithItsReason() async throws {
    try await BrokerFixture.run { fixture in
      let connection = try await Connection.open(try fixture.configuration { $0.connectionName = "to-be-closed" }, on: fixture.loop)
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      let queue = try await channel.declareQueue("", durable: false, exclusive: true)
      let consumer = try await channel.consume(queue.name)
      let list = try await fixture.services.rabbitmqctl("list_connections", "pid", "client_properties")
      let line = try #require(list.split(separator: "\n").first { $0.contains("to-be-closed") })
      let pid = String(try #require(line.split(whereSeparator: \.isWhitespace).first))
      _ = try await fixture.services.rabbitmqctl("close_connection", pid, "maintenance")
      let reason = try await withDeadline(.seconds(20)) { await connection.waitUntilClosed() }
      #expect(reason?.kind == .connectionClosed(code: 320))
      #expect(reason?.message.contains("maintenance") == true)
      await #expect(throws: AMQPError.self) { _ = try await consumer.nextBatch() }
      await #expect(throws: AMQPError.self) { try await channel.publish(Publication(Message(body: [1]), to: "", routingKey: queue.name)) }
      await #expect(throws: AMQPError.self) { _ = try await connection.openChannel() }
      await connection.close()
    }
  }

  @Test func closingEndsEverythingThatWaits() async throws {
    try await BrokerFixture.run { fixture in
      let connection = try await Connection.open(try fixture.configuration(), on: fixture.loop)
      let channel = try await connection.openChannel()
      let queue = try await channel.declareQueue("", durable: false, exclusive: true)
      let consumer = try await channel.consume(queue.name)
      let reading = Task { try await consumer.nextBatch() }
      let ending = Task { await connection.waitUntilClosed() }
      await connection.close()
      #expect(await ending.value == nil)
      await #expect(throws: AMQPError.self) { _ = try await reading.value }
      await connection.close()
    }
  }

  @Test func waitingForTheEndStopsWhenTheTaskIsCancelled() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let waiting = Task { await connection.waitUntilClosed() }
        waiting.cancel()
        let reason = await waiting.value
        #expect(reason == nil)
      }
    }
  }

  @Test func manyConnectionsShareOneLoop() async throws {
    try await BrokerFixture.run { fixture in
      let configuration = try fixture.configuration { $0.maximumFrameSize = 8192 }
      let connections = try await withThrowingTaskGroup(of: Connection.self) { group in
        for _ in 0..<40 { group.addTask { try await Connection.open(configuration, on: fixture.loop) } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      for connection in connections {
        let channel = try await connection.openChannel()
        try await channel.enableConfirms()
        let queue = try await channel.declareQueue("", durable: false, exclusive: true)
        try await channel.publish(Publication(Message(body: [7]), to: "", routingKey: queue.name))
      }
      for connection in connections { await connection.close() }
    }
  }
}
