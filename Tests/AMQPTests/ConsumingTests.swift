import ServiceRuntime
import TestSupport
import Testing

@testable import AMQP

@Suite struct ConsumingTests {
  private func fill(_ channel: Channel, _ queue: String, _ count: Int) async throws {
    for result in await channel.publish((0..<count).map { Publication(Message(body: [UInt8($0)]), to: "", routingKey: queue) }) {
      try result.get()
    }
  }

  @Test func prefetchBoundsWhatIsHeldUntilItIsAcknowledged() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        try await fill(channel, queue, 10)
        try await channel.setPrefetch(3)
        let consumer = try await channel.consume(queue)
        let first = try await read(3, from: consumer)
        #expect(first.map(\.message.body) == [[0], [1], [2]])
        let status = try await channel.queueStatus(queue)
        #expect(status.messageCount == 7 && status.consumerCount == 1)
        try await channel.acknowledge(first[2].deliveryTag, multiple: true)
        #expect(try await read(3, from: consumer).map(\.message.body) == [[3], [4], [5]])
      }
    }
  }

  @Test func unacknowledgedMessagesGoBackWhenTheChannelCloses() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let owner = try await connection.openChannel()
        try await owner.enableConfirms()
        let queue = try await owner.declareQueue("", durable: false, exclusive: true).name
        try await fill(owner, queue, 2)
        let reader = try await connection.openChannel()
        let deliveries = try await read(2, from: try await reader.consume(queue))
        try await reader.acknowledge(deliveries[0].deliveryTag)
        await reader.close()
        let again = try await read(1, from: try await owner.consume(queue))
        #expect(again[0].message.body == [1] && again[0].redelivered)
      }
    }
  }

  @Test func rejectedMessageIsRequeuedOrDropped() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        try await fill(channel, queue, 1)
        let consumer = try await channel.consume(queue)
        let first = try await read(1, from: consumer)[0]
        try await channel.reject(first.deliveryTag, requeue: true)
        let second = try await read(1, from: consumer)[0]
        #expect(second.redelivered)
        try await channel.reject(second.deliveryTag, requeue: false)
        #expect(try await channel.queueStatus(queue).messageCount == 0)
      }
    }
  }

  @Test func consumerOfADeletedQueueIsToldSo() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let channel = try await connection.openChannel()
        let queue = try await channel.declareQueue("deleted-under-consumer", durable: false)
        let consumer = try await channel.consume(queue.name)
        try await channel.deleteQueue(queue.name)
        let error = await #expect(throws: AMQPError.self) { _ = try await withDeadline(.seconds(20)) { try await consumer.nextBatch() } }
        #expect(error?.kind == .consumerCancelled)
      }
    }
  }

  @Test func consumingAMissingQueueClosesOnlyTheChannel() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let channel = try await connection.openChannel()
        let error = await #expect(throws: AMQPError.self) { _ = try await channel.consume("no-such-queue") }
        #expect(error?.kind == .channelClosed(code: 404))
        _ = try await connection.openChannel()
      }
    }
  }

  @Test func requestIsAnsweredOverDirectReplyTo() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { server, queue in
        let requests = try await server.consume(queue)
        try await fixture.withConnection { connection in
          let client = try await connection.openChannel()
          try await client.enableConfirms()
          let replies = try await client.consume("amq.rabbitmq.reply-to", noAck: true)
          var question = Message(body: [1], messageID: "q1")
          question.replyTo = "amq.rabbitmq.reply-to"
          try await client.publish(Publication(question, to: "", routingKey: queue))
          let request = try await read(1, from: requests)[0]
          let address = try #require(request.message.replyTo)
          #expect(address.hasPrefix("amq.rabbitmq.reply-to."))
          var answer = Message(body: [2], persistent: false)
          answer.correlationID = request.message.messageID
          // Not mandatory: the reply address is no queue, so the broker would return it although it delivers.
          try await server.publish(Publication(answer, to: "", routingKey: address, mandatory: false))
          let reply = try await read(1, from: replies)[0]
          #expect(reply.message.body == [2] && reply.message.correlationID == "q1")
        }
      }
    }
  }

  @Test func twoConsumersOfOneChannelGetTheirOwnMessages() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, first in
        let second = try await channel.declareQueue("", durable: false, exclusive: true).name
        let consumers = (try await channel.consume(first), try await channel.consume(second))
        try await fill(channel, first, 3)
        try await fill(channel, second, 2)
        #expect(try await read(3, from: consumers.0).allSatisfy { $0.routingKey == first })
        #expect(try await read(2, from: consumers.1).allSatisfy { $0.routingKey == second })
      }
    }
  }

  @Test func cancelledReaderLeavesTheConsumerUsable() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withQueue { channel, queue in
        let consumer = try await channel.consume(queue)
        let reader = Task { try await consumer.nextBatch() }
        reader.cancel()
        await #expect(throws: AMQPError.self) { _ = try await reader.value }
        try await fill(channel, queue, 1)
        #expect(try await read(1, from: consumer).count == 1)
        try await channel.cancel(consumer)
        await #expect(throws: AMQPError.self) { _ = try await consumer.nextBatch() }
      }
    }
  }

  @Test func queueDeclaredOtherwiseIsRefused() async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let channel = try await connection.openChannel()
        let queue = try await channel.declareQueue("declared-otherwise", durable: false, exclusive: true).name
        let error = await #expect(throws: AMQPError.self) {
          _ = try await channel.declareQueue(queue, durable: false, exclusive: true, arguments: ["x-max-length": .int(5)])
        }
        #expect(error?.kind == .channelClosed(code: 406))
        #expect(error?.message.contains("x-max-length") == true)
      }
    }
  }
}
