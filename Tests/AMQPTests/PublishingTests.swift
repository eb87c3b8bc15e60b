import ServiceRuntime
import TestSupport
import Testing

@testable import AMQP

@Suite struct PublishingTests {
  @Test func everyPropertyAndHeaderComesBackAsItWasSent() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        var message = Message(
          body: Array("{\"ä\": \"\u{1F600}\"}".utf8), contentType: "application/json", type: "heartbeat", messageID: "m-1")
        message.correlationID = "c-1"
        message.replyTo = "somewhere"
        message.timestamp = 1_767_225_600
        message.userID = fixture.services.user
        message.appID = "tests"
        message.expiration = "60000"
        message.priority = 7
        // In the order of their names, in which RabbitMQ 4 gives them back.
        message.headers = [
          "bool": .bool(true), "double": .double(0.5), "int": .int(.min), "list": .array([.int(1), .text("two"), .array([])]),
          "null": .null,
          "table": .table(["inner": .text("x")]), "text": .text("grüße"), "time": .timestamp(1_767_225_600),
        ]
        try await channel.publish(Publication(message, to: "", routingKey: queue))
        let consumer = try await channel.consume(queue)
        let delivery = try await read(1, from: consumer)[0]
        #expect(delivery.message == message)
        #expect(delivery.routingKey == queue && delivery.exchange.isEmpty && !delivery.redelivered)
      }
    }
  }

  @Test(arguments: [0, 1, 131_071, 131_072, 1_000_000, 16_000_000])
  func bodyOfAnySizeArrivesWhole(size: Int) async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await channel.publish(Publication(Message(body: body), to: "", routingKey: queue))
        let consumer = try await channel.consume(queue)
        #expect(try await read(1, from: consumer)[0].message.body == body)
      }
    }
  }

  @Test func manyMessagesAreConfirmedTogether() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        let batch = (0..<5000).map { Publication(Message(body: Array("\($0)".utf8)), to: "", routingKey: queue) }
        let results = await channel.publish(batch)
        #expect(results.count == 5000)
        #expect(results.allSatisfy { if case .success = $0 { true } else { false } })
        let consumer = try await channel.consume(queue)
        let bodies = try await read(5000, from: consumer).map { String(decoding: $0.message.body, as: UTF8.self) }
        #expect(bodies == (0..<5000).map(String.init))
      }
    }
  }

  @Test func mandatoryMessageWithoutAQueueComesBackAndHarmsNoNeighbour() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        let results = await channel.publish([
          Publication(Message(body: [1]), to: "", routingKey: queue), Publication(Message(body: [2]), to: "", routingKey: "no-such-queue"),
          Publication(Message(body: [3]), to: "", routingKey: "no-such-queue", mandatory: false),
        ])
        #expect(throws: Never.self) { try results[0].get() }
        let error = #expect(throws: AMQPError.self) { try results[1].get() }
        #expect(error?.kind == .returned(code: 312))
        #expect(error?.message.contains("no-such-queue") == true)
        #expect(throws: Never.self) { try results[2].get() }
      }
    }
  }

  @Test func messageRefusedByAFullQueueIsReportedAsNacked() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let channel = try await connection.openChannel()
        try await channel.enableConfirms()
        let queue = try await channel.declareQueue(
          "", durable: false, exclusive: true, arguments: ["x-max-length": .int(1), "x-overflow": .text("reject-publish")])
        try await channel.publish(Publication(Message(body: [1]), to: "", routingKey: queue.name))
        let error = await #expect(throws: AMQPError.self) {
          try await channel.publish(Publication(Message(body: [2]), to: "", routingKey: queue.name))
        }
        #expect(error?.kind == .nacked)
      }
    }
  }

  @Test func publishToAMissingExchangeClosesTheChannelAndNotTheConnection() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let channel = try await connection.openChannel()
        try await channel.enableConfirms()
        let error = await #expect(throws: AMQPError.self) {
          try await channel.publish(Publication(Message(body: [1]), to: "no-such-exchange", routingKey: "x"))
        }
        #expect(error?.kind == .channelClosed(code: 404))
        await #expect(throws: AMQPError.self) { try await channel.publish(Publication(Message(body: [1]), to: "", routingKey: "x")) }
        let second = try await connection.openChannel()
        _ = try await second.declareQueue("", durable: false, exclusive: true)
      }
    }
  }

  @Test func forgedUserNameIsRefused() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        var message = Message(body: [1])
        message.userID = "somebody-else"
        let error = await #expect(throws: AMQPError.self) { try await channel.publish(Publication(message, to: "", routingKey: queue)) }
        #expect(error?.kind == .channelClosed(code: 406))
      }
    }
  }

  @Test func nameThatCannotBeSentIsRefusedBeforeTheWire() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        let long = String(repeating: "k", count: 256)
        let error = await #expect(throws: AMQPError.self) {
          try await channel.publish(Publication(Message(body: [1]), to: "", routingKey: long))
        }
        #expect(error?.kind == .invalid)
        #expect(error?.message.contains("256 bytes") == true)
        try await channel.publish(Publication(Message(body: [2]), to: "", routingKey: queue))
      }
    }
  }

  @Test func alarmStopsPublishingUntilItIsOver() async throws {
    let services = try await LocalServices.separate()
    let loop = EventLoop(name: "alarm-loop")
    defer { loop.stop() }
    let url = try BrokerURL(services.amqpURL, name: "AMQP_URL")
    let connection = try await Connection.open(
      ConnectionConfiguration(url, defaultVirtualHost: "/", connectionName: "alarm"), on: loop)
    let channel = try await connection.openChannel()
    try await channel.enableConfirms()
    let queue = try await channel.declareQueue("", durable: false, exclusive: true).name
    _ = try await services.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001")
    var flow = connection.flow.makeAsyncIterator()
    // The broker tells a connection of an alarm once it has published (RabbitMQ, "Blocked Connection Notifications").
    try await eventually("publishing is blocked") {
      if case .failure(let error) = await channel.publish(
        [Publication(Message(body: [1]), to: "", routingKey: queue)], timeout: .seconds(1))[0]
      {
        return error.kind == .blocked
      }
      return false
    }
    guard case .blocked = await flow.next() else { throw AMQPError(.invalid, "no blocked notice") }
    _ = try await services.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    #expect(await flow.next() == .unblocked)
    try await channel.publish(Publication(Message(body: [2]), to: "", routingKey: queue))
    await connection.close()
    try await services.stop()
  }
}
