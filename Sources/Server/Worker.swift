import AMQP
import FleetProtocol
import ServiceRuntime

/// The worker's consuming side: one connection that only consumes and declares, so that an alarm, which stops the reading of
/// connections that publish, never stops its acknowledgements.
struct Worker: Sendable {
  let configuration: ConnectionConfiguration
  let loop: EventLoop
  let registrations: RegistrationDesk
  let heartbeats: HeartbeatDesk
  let results: ResultDesk
  let notices: NoticeDesk
  let presence: PresenceWatch
  let queues: QueueCensus
  let connectionMetrics: BrokerConnectionMetrics
  let signals: WorkSignals
  let serviceManager: ServiceManager
  let logger: Logger

  /// Keeps the connection and everything that runs on it until the task is cancelled. What was read and not finished then goes back to its queue.
  func run() async throws {
    try await Reconnector(ceiling: .seconds(10)).run(
      connect: { try await AMQP.Connection.open(configuration, on: loop) },
      onFailure: { failure in
        logger.error(BrokerFailure.line("Consuming", configuration, failure))
      },
      work: { connection, healthy in
        let channel = try await connection.openChannel()
        try await ServerTopology.declare(on: channel)
        await channel.close()
        healthy()
        connectionMetrics.connected.set(true)
        defer { connectionMetrics.connected.set(false) }
        logger.info("Worker is consuming from \(configuration.displayAddress)")
        await serviceManager.ready("Consuming from \(configuration.displayAddress)")
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await registrations.run(on: connection) }
          group.addTask { try await heartbeats.run(on: connection) }
          group.addTask { try await results.run(on: connection) }
          group.addTask { try await notices.run(on: connection) }
          group.addTask { try await presence.run(on: connection) }
          group.addTask { try await queues.run(on: connection) }
          group.addTask { try await DispatchWakeup.listen(on: connection, signals) }
          defer { group.cancelAll() }
          try await group.next()
        }
      })
  }
}
