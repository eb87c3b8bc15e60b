import AMQP
import FleetProtocol
import ServiceRuntime

/// Looks at the server's queues for the page of metrics, over the consuming connection, which no alarm stops.
struct QueueCensus: Sendable {
  private let census = Census<[QueueStatus]>()

  /// Looks for whoever asks until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    try await census.run { try await Self.look(on: connection) }
  }

  /// Empty while nothing is consumed.
  var readings: [MetricReading] {
    get async {
      let statuses = await census.current() ?? []
      return [
        MetricReading(.queueMessages, statuses.map { ($0.name, $0.messageCount) }),
        MetricReading(.queueConsumers, statuses.map { ($0.name, $0.consumerCount) }),
      ]
    }
  }

  private static func look(on connection: AMQP.Connection) async throws(AMQPError) -> [QueueStatus] {
    var statuses: [QueueStatus] = []
    var channel = try await connection.openChannel()
    for queue in Topology.serverQueues {
      do throws(AMQPError) {
        statuses.append(try await channel.queueStatus(queue))
      } catch {
        // Somebody has deleted it, and whoever consumes it says so; the question has closed the channel.
        guard error.kind == .channelClosed(code: 404) else { throw error }
        channel = try await connection.openChannel()
      }
    }
    await channel.close()
    return statuses
  }
}
