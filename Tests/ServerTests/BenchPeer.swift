import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport

@testable import Server

/// One connection that plays any number of agents: publishes their messages, gets the answers, reads their queues.
final class BenchPeer: Sendable {
  private let connection: AMQP.Connection
  private let publishing: Channel
  private let replies: Consumer
  private let received = Lock<[Message]>([])

  init(_ connection: AMQP.Connection) async throws {
    self.connection = connection
    publishing = try await connection.openChannel()
    try await publishing.enableConfirms()
    replies = try await publishing.consume(Topology.replyToQueue, noAck: true)
  }

  /// Runs until the connection is closed.
  func collectReplies() async {
    do throws(AMQPError) {
      while true {
        let batch = try await replies.nextBatch()
        received.withLock { $0 += batch.map(\.message) }
      }
    } catch {
      // The bench is over, or its broker was stopped: whoever waits for an answer says so.
      return
    }
  }

  func publish(_ message: Message, _ routingKey: String) async throws {
    try await publish([Publication(message, to: Topology.inboxExchange, routingKey: routingKey)])
  }

  func publish(_ publications: [Publication]) async throws {
    for start in stride(from: 0, to: publications.count, by: 2000) {
      let slice = Array(publications[start..<min(start + 2000, publications.count)])
      for result in await publishing.publish(slice) { try result.get() }
    }
  }

  func replies(to message: Message) -> [Message] { received.withLock { $0.filter { $0.correlationID == message.messageID } } }

  func reply(to message: Message) async throws -> Message {
    try await eventualValue("an answer to \(message.type ?? "") \(message.messageID ?? "")") { replies(to: message).first }
  }

  func notice(for message: Message) async throws -> ErrorNotice {
    try WireCoding.decode(ErrorNotice.self, from: try await reply(to: message).body)
  }

  func status(_ queue: String) async throws(AMQPError) -> QueueStatus {
    let channel = try await connection.openChannel()
    let status = try await channel.queueStatus(queue)
    await channel.close()
    return status
  }

  /// Everything that is ready in a queue, acknowledged.
  func drain(_ queue: String) async throws -> [Delivery] {
    let channel = try await connection.openChannel()
    let count = try await channel.queueStatus(queue).messageCount
    guard count > 0 else {
      await channel.close()
      return []
    }
    let deliveries = try await read(count, from: try await channel.consume(queue))
    if let last = deliveries.last { try await channel.acknowledge(last.deliveryTag, multiple: true) }
    await channel.close()
    return deliveries
  }

  /// Consumes an agent's queue, on a channel of its own that goes with the connection.
  func consume(_ queue: String) async throws -> Consumer { try await connection.openChannel().consume(queue, noAck: true) }

  func read(_ count: Int, from consumer: Consumer) async throws -> [Delivery] {
    try await withDeadline(.seconds(30)) {
      var all: [Delivery] = []
      while all.count < count { all += try await consumer.nextBatch(upTo: count - all.count) }
      return all
    }
  }

  /// A channel to do with as the test likes.
  func channel() async throws -> Channel { try await connection.openChannel() }
}
