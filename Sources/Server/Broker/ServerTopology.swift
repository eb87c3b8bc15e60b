import AMQP
import FleetProtocol
import ServiceRuntime

/// Declares what the server needs on the broker. Declaring what is there already changes nothing, so every worker does it at each connect.
enum ServerTopology {
  /// What a broker that was set up for 5.0 still routes to `fleet.results`: notices, which have a queue of their own now, and output, which is for those who
  /// follow it.
  private static let formerResultKeys = ["output.*.*", "output.#", "notice.*.*", "notice.#"]

  /// Declares exchanges, queues and bindings.
  ///
  /// A queue or exchange that exists with other properties is a `ConfigurationError` that names it: the broker closes the channel with 406 and
  /// nothing can be done from here.
  static func declare(on channel: Channel) async throws {
    for exchange in Topology.exchanges {
      try await named(exchange.name, "exchange") { () async throws(AMQPError) in
        try await declare(exchange, on: channel)
      }
    }
    for queue in Topology.serverQueues {
      try await named(queue, "queue") { () async throws(AMQPError) in
        try await declare(queue: queue, on: channel)
      }
    }
    for binding in Topology.bindings {
      try await channel.bindQueue(binding.queue, to: binding.exchange, routingKey: binding.routingKey)
    }
    for key in Self.formerResultKeys {
      try await channel.unbindQueue(Topology.resultsQueue, from: Topology.inboxExchange, routingKey: key)
    }
  }

  /// Declares one exchange.
  static func declare(_ exchange: Topology.Exchange, on channel: Channel) async throws(AMQPError) {
    try await channel.declareExchange(exchange.name, kind: exchange.kind.rawValue)
  }

  /// Declares one of the server's queues.
  static func declare(queue: String, on channel: Channel) async throws(AMQPError) {
    _ = try await channel.declareQueue(queue, arguments: ["x-queue-type": .text("quorum")])
  }

  private static func named(_ name: String, _ what: String, _ declare: () async throws(AMQPError) -> Void) async throws {
    do throws(AMQPError) {
      try await declare()
    } catch {
      guard error.kind == .channelClosed(code: 406) else { throw error }
      throw ConfigurationError(
        name: name, problem: "is on the broker as another kind of \(what) than the server needs (\(error.message))",
        remedy:
          "delete it (`rabbitmqctl delete_queue \(name)` for a queue, after its messages are drained) or import broker/definitions.json anew"
      )
    }
  }
}
