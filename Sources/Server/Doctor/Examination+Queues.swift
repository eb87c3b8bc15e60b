import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// Messages in one queue from which a backlog is worth a person's look.
  static let backlog = 10_000
  /// The least `consumer_timeout` that leaves a worker time to wait for a database that is away, in milliseconds.
  private static let leastConsumerTimeout = 900_000

  /// What waits at the broker, who takes it, and whether the broker takes more.
  mutating func lookAtQueues() async throws {
    for queue in Topology.serverQueues where queue != Topology.deadLettersQueue { try await lookAtQueue(queue) }
    try await lookAtDeadLetters()
    try await lookAtAlarms()
    lookAtTimeouts()
  }

  /// What the broker says of a queue over AMQP; `nil` when it is not there.
  static func status(of queue: String, on connection: AMQP.Connection) async throws(AMQPError) -> QueueStatus? {
    let channel = try await connection.openChannel()
    do throws(AMQPError) {
      let status = try await channel.queueStatus(queue)
      await channel.close()
      return status
    } catch {
      guard error.kind == .channelClosed(code: 404) else { throw error }
      return nil
    }
  }

  private mutating func lookAtQueue(_ queue: String) async throws {
    let check = "queue \(queue)"
    let counts = facts?.queues[queue]
    try await onBroker(check) { connection in
      // Its absence is the topology's finding.
      guard let status = try await Self.status(of: queue, on: connection) else { return [] }
      let held = counts.map { ", \($0.unacknowledged) being worked on" } ?? ""
      let measured = "\(counted(status.messageCount, "message")) ready\(held), \(counted(status.consumerCount, "consumer"))"
      if status.consumerCount == 0 {
        return [.fail(check, "\(measured): no worker runs", remedy: "systemctl start spot-optimizer-server")]
      }
      guard status.messageCount < Self.backlog else {
        let remedy = "see whether it shrinks: spotctl watch; if not, look at the database's load or start another worker"
        return [.warn(check, measured, remedy: remedy)]
      }
      return [.pass(check, measured)]
    }
  }

  /// Counted only: to look at one and put it back counts as a delivery, and a quorum queue of RabbitMQ 4 drops a message after twenty of them.
  private mutating func lookAtDeadLetters() async throws {
    let check = "dead letters"
    try await onBroker(check) { connection in
      guard let status = try await Self.status(of: Topology.deadLettersQueue, on: connection) else { return [] }
      guard status.messageCount > 0 else { return [.pass(check, "none")] }
      return [
        .warn(
          check, "\(counted(status.messageCount, "message")) that no worker could use",
          remedy: "the reason of each is in the server's log: grep 'Dead letter' /var/log/spot-optimizer/backend.log")
      ]
    }
  }

  /// Whether the broker takes a message, over a connection of its own: one that is blocked is read no more.
  private mutating func lookAtAlarms() async throws {
    let check = "alarms"
    guard broker != nil, let settings else { return report.skip(check, because: brokerTrouble) }
    let alarms = facts?.alarms ?? []
    let result: Result<Duration, AMQPError>
    do throws(AMQPError) {
      result = .success(try await publishOnce(login(settings)))
    } catch {
      result = .failure(error)
    }
    try Task.checkCancellation()
    switch result {
    case .success(let took) where alarms.isEmpty: report.add(.pass(check, "none; the broker took two messages in \(took.inMilliseconds)"))
    case .success: report.add(.fail(check, "in force: \(alarms.joined(separator: ", "))", remedy: "rabbitmqctl alarms; rabbitmqctl status"))
    case .failure(let error) where error.kind == .blocked:
      let isDisk = error.message.contains("disk")
      report.add(
        .fail(
          check, error.message,
          remedy: isDisk
            ? "free disk space where the broker's data lies (df -h /var/lib/rabbitmq); it goes on by itself"
            : "see what takes the memory: rabbitmqctl status; raise it for now: rabbitmqctl set_vm_memory_high_watermark 0.7"))
    case .failure(let error) where error.kind == .channelClosed(code: 404):
      report.skip(check, because: "the exchange \(Topology.eventsExchange) is not there to publish to")
    case .failure(let error): report.add(.fail(check, "the broker took no message: \(error)", remedy: "rabbitmqctl alarms"))
    }
  }

  private func publishOnce(_ configuration: ConnectionConfiguration) async throws(AMQPError) -> Duration {
    let connection = try await Connection.open(configuration, on: loop)
    let reason = Lock<String?>(nil)
    // Ends with the connection, which is closed below.
    let reader = Task {
      for await flow in connection.flow {
        if case .blocked(let words) = flow { reason.withLock { $0 = words } }
      }
    }
    do throws(AMQPError) {
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      let started = ContinuousClock.now
      // It wakes dispatchers, which look once more than they had to, and is nothing to anybody else.
      try await channel.publish(DispatchWakeup.publication(), timeout: .seconds(3))
      // The broker stops reading after the first one only, so the second tells.
      try await channel.publish(DispatchWakeup.publication(), timeout: .seconds(3))
      let took = started.duration(to: .now)
      await connection.close()
      return took
    } catch {
      await connection.close()
      await reader.value
      if let words = reason.withLock({ $0 }) { throw AMQPError(.blocked, "the broker takes no messages: \(words)") }
      throw error
    }
  }

  private mutating func lookAtTimeouts() {
    let check = "time-outs"
    guard let facts else { return report.skip(check, because: factsTrouble) }
    let heartbeat = facts.heartbeat.map { "heartbeats each \($0) s" } ?? "no word of heartbeats"
    guard let limit = facts.consumerTimeout else {
      return report.add(.pass(check, "deliveries may wait without limit for their acknowledgement; \(heartbeat)"))
    }
    let measured = "deliveries may wait \(limit / 1000) s for their acknowledgement; \(heartbeat)"
    guard limit >= Self.leastConsumerTimeout else {
      let remedy = "consumer_timeout = 1800000 in rabbitmq.conf, and: systemctl restart rabbitmq-server"
      return report.add(.warn(check, "\(measured), which is short when the database is away", remedy: remedy))
    }
    report.add(.pass(check, measured))
  }
}
