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

  /// Raises every signal at such a message, until the connection breaks or the task is cancelled.
  ///
  /// It does not say what was written, and nearly always it was a command. When many come one after the other, the dispatcher is woken by each, and the others
  /// only as often as `pause` allows: each looks into the database when it is woken.
  static func listen(on connection: AMQP.Connection, _ signals: WorkSignals) async throws {
    let channel = try await connection.openChannel()
    let queue = try await channel.declareQueue("", durable: false, exclusive: true, autoDelete: true)
    try await channel.bindQueue(queue.name, to: Topology.eventsExchange, routingKey: Topology.commandsPendingKey)
    let consumer = try await channel.consume(queue.name, noAck: true)
    let others = Signal()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while true {
          _ = try await consumer.nextBatch()
          signals.dispatch.raise()
          others.raise()
        }
      }
      group.addTask {
        while true {
          await others.wait()
          try Task.checkCancellation()
          signals.raiseBesidesDispatch()
          try await Task.sleep(for: pause)
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// What a cancellation waits at most when a command was written just before it.
  private static let pause = Duration.milliseconds(50)
}
