import AMQP
import FleetProtocol
import ServiceRuntime

/// The queues of agents, each classic, durable, with the priorities of commands, gone after seven days without a consumer, bound to the commands' exchange by its own name.
///
/// Many registrations share one channel. When the broker closes it, for one queue that is not as it should be, each of them asks again on a
/// channel of its own, so that it is no trouble to the others.
actor AgentQueues {
  private let connection: AMQP.Connection
  private let logger: Logger
  private var shared: Channel?

  init(on connection: AMQP.Connection, logger: Logger) {
    self.connection = connection
    self.logger = logger
  }

  /// Declares and binds a queue. It is there when this returns.
  ///
  /// One that was declared otherwise, by an older version say, is used as it is: it holds commands. Throws `.channelClosed` for a queue that cannot
  /// be used (405: another connection's own).
  func declare(_ name: String) async throws(AMQPError) {
    let channel = try await sharedChannel()
    do throws(AMQPError) {
      try await Self.declare(name, on: channel)
      try await Self.bind(name, on: channel)
    } catch {
      try dropIfClosed(channel, error)
      try await declareApart(name)
    }
  }

  /// Deletes the queue of an earlier generation; whoever still consumes it is told by the broker. What cannot be deleted expires by itself.
  func delete(_ name: String) async throws(AMQPError) {
    let channel = try await sharedChannel()
    do throws(AMQPError) {
      try await channel.deleteQueue(name)
    } catch {
      try dropIfClosed(channel, error)
      logger.warning("Queue \(name) of an earlier generation could not be deleted: \(error) - it expires by itself")
    }
  }

  private func declareApart(_ name: String) async throws(AMQPError) {
    let channel = try await connection.openChannel()
    do throws(AMQPError) {
      try await Self.declare(name, on: channel)
      try await Self.bind(name, on: channel)
      await channel.close()
    } catch {
      guard error.kind == .channelClosed(code: 406) else { throw error }
      logger.warning(
        "Queue \(name) is on the broker with other properties than this server gives it and is used as it is (\(error));"
          + " `rabbitmqctl delete_queue \(name)` has it made anew")
      let channel = try await connection.openChannel()
      try await Self.bind(name, on: channel)
      await channel.close()
    }
  }

  private static func declare(_ name: String, on channel: Channel) async throws(AMQPError) {
    _ = try await channel.declareQueue(
      name,
      arguments: ["x-expires": .int(Topology.agentQueueExpiryMilliseconds), "x-max-priority": .int(Topology.queuePriorities)])
  }

  private static func bind(_ name: String, on channel: Channel) async throws(AMQPError) {
    try await channel.bindQueue(name, to: Topology.commandsExchange, routingKey: name)
  }

  private func sharedChannel() async throws(AMQPError) -> Channel {
    if let shared { return shared }
    let channel = try await connection.openChannel()
    guard let shared else {
      shared = channel
      return channel
    }
    await channel.close()
    return shared
  }

  private func dropIfClosed(_ channel: Channel, _ error: AMQPError) throws(AMQPError) {
    guard case .channelClosed = error.kind else { throw error }
    if shared === channel { shared = nil }
  }
}
