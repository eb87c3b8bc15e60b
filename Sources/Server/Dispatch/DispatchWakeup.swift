import AMQP
import FleetProtocol
import ServiceRuntime

/// Wakes dispatchers after a commit: a message without content on `fleet.events`, so that no dispatcher has to poll for our own writers' rows.
public enum DispatchWakeup {
  /// The message a writer publishes after its commit. Losing it costs one sweep (a second at most), so it is neither persistent nor mandatory.
  public static func publication() -> Publication {
    let message = Message(body: [], type: Topology.commandsPendingKey, persistent: false)
    return Publication(message, to: Topology.eventsExchange, routingKey: Topology.commandsPendingKey, mandatory: false)
  }

  /// Raises every signal at each such message, until the connection breaks or the task is cancelled.
  static func listen(on connection: AMQP.Connection, _ signals: WorkSignals) async throws {
    let channel = try await connection.openChannel()
    let queue = try await channel.declareQueue("", durable: false, exclusive: true, autoDelete: true)
    try await channel.bindQueue(queue.name, to: Topology.eventsExchange, routingKey: Topology.commandsPendingKey)
    let consumer = try await channel.consume(queue.name, noAck: true)
    while true {
      _ = try await consumer.nextBatch()
      signals.raiseAll()
    }
  }
}
