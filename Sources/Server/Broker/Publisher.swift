import AMQP
import ServiceRuntime

/// The server's publishing connection: replies, commands, dead letters, events, each with a confirm.
///
/// Apart from the consuming connection, because an alarm makes the broker stop reading a connection that publishes, acknowledgements
/// included. Kept by `run()`; publishing while it is away fails at once with the reason, and callers keep what they could not publish.
public actor Publisher {
  private let configuration: ConnectionConfiguration
  private let loop: EventLoop
  private let logger: Logger
  private var channel: Channel?
  private var away = AMQPError(.closed, "no connection to the broker yet")
  private var blocked: String?

  /// A publisher that logs in as `configuration` says once `run()` is called. Its connection lives on `loop`.
  public init(_ configuration: ConnectionConfiguration, on loop: EventLoop, logger: Logger) {
    self.configuration = configuration
    self.loop = loop
    self.logger = logger
  }

  /// Keeps the connection until the task is cancelled.
  public func run() async throws {
    try await Reconnector(ceiling: .seconds(10)).run(
      connect: { [configuration, loop] in try await AMQP.Connection.open(configuration, on: loop) },
      onFailure: { failure in await self.lost(failure) },
      work: { connection, healthy in
        let channel = try await connection.openChannel()
        try await channel.enableConfirms()
        await self.opened(channel)
        healthy()
        for await flow in connection.flow { await self.flowChanged(flow) }
      })
  }

  /// Publishes and says of each message, in order, what became of it.
  public func publish(_ publications: [Publication]) async -> [Result<Void, AMQPError>] {
    guard let channel else { return publications.map { _ in .failure(away) } }
    return await channel.publish(publications)
  }

  /// The state for `/health`.
  public var state: BrokerState {
    if channel == nil { return .disconnected(reason: away.message) }
    return blocked.map { .blocked(reason: $0) } ?? .connected
  }

  private func opened(_ channel: Channel) {
    self.channel = channel
    blocked = nil
    logger.info("Publishing connection to \(configuration.displayAddress) is up")
  }

  private func lost(_ failure: Reconnector.Failure) {
    channel = nil
    blocked = nil
    away = failure.error as? AMQPError ?? AMQPError(.closed, "\(failure.error)")
    logger.error("Publishing connection to \(configuration.displayAddress): \(failure.error) - retrying in \(failure.delay.shortText)")
  }

  private func flowChanged(_ flow: Flow) {
    switch flow {
    case .blocked(let reason):
      blocked = reason
      logger.error("The broker takes no messages: \(reason) - see `rabbitmqctl list_alarms`")
    case .unblocked:
      blocked = nil
      logger.info("The broker takes messages again")
    }
  }
}
