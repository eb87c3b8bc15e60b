import AMQP
import ServiceRuntime

/// The server's publishing connection: replies, commands, dead letters, events, each with a confirm.
///
/// Apart from the consuming connection, because an alarm makes the broker stop reading a connection that publishes, acknowledgements
/// included. Kept by `run()`; publishing while it is away fails at once with the reason, and callers keep what they could not publish.
public actor Publisher {
  private let configuration: ConnectionConfiguration
  private let loop: EventLoop
  private let metrics: BrokerConnectionMetrics?
  private let logger: Logger
  private var connection: AMQP.Connection?
  private var channel: Channel? { didSet { metrics?.connected.set(channel != nil) } }
  private var away = AMQPError(.closed, "no connection to the broker yet")
  private var blocked: String? { didSet { metrics?.blocked?.set(blocked != nil) } }
  private let channelLost = Signal()

  /// A publisher that logs in as `configuration` says once `run()` is called. Its connection lives on `loop`.
  public init(_ configuration: ConnectionConfiguration, on loop: EventLoop, logger: Logger) {
    self.init(configuration, on: loop, metrics: nil, logger: logger)
  }

  /// The same, and its state is told to `metrics`.
  init(_ configuration: ConnectionConfiguration, on loop: EventLoop, metrics: BrokerConnectionMetrics?, logger: Logger) {
    self.configuration = configuration
    self.loop = loop
    self.metrics = metrics
    self.logger = logger
  }

  /// Keeps the connection until the task is cancelled.
  public func run() async throws {
    try await Reconnector(ceiling: .seconds(10)).run(
      connect: { [configuration, loop] in try await AMQP.Connection.open(configuration, on: loop) },
      onFailure: { failure in await self.lost(failure) },
      work: { connection, healthy in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await self.keepChannel(on: connection, healthy) }
          group.addTask {
            for await flow in connection.flow { await self.flowChanged(flow) }
            // The stream ends with the connection: an error to reconnect after, and never a reason for `run` to return.
            throw await connection.waitUntilClosed() ?? CancellationError()
          }
          defer { group.cancelAll() }
          try await group.next()
        }
      })
  }

  /// Opens a channel, and the next one when the broker has closed it: for an exchange that is not there (yet) or a message it cannot take (404, 406).
  private func keepChannel(on connection: AMQP.Connection, _ healthy: @Sendable () -> Void) async throws {
    self.connection = connection
    while true {
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      opened(channel)
      healthy()
      await channelLost.wait()
      try Task.checkCancellation()
    }
  }

  /// Publishes and says of each message, in order, what became of it. A confirm that is not there within `timeout` is an error.
  ///
  /// `written` is called once, before the confirms are waited for: what is published after it comes after these.
  public func publish(
    _ publications: [Publication], timeout: Duration = .seconds(30), written: @Sendable () -> Void = {}
  ) async -> [Result<Void, AMQPError>] {
    guard let channel else {
      written()
      return publications.map { _ in .failure(away) }
    }
    let results = await channel.publish(publications, timeout: timeout, written: written)
    for case .failure(let error) in results {
      guard case .channelClosed = error.kind else { continue }
      lost(channel, error)
      break
    }
    return results
  }

  /// Deletes a queue, on a channel of its own; one that is not there counts as deleted.
  public func deleteQueue(_ name: String) async throws(AMQPError) {
    guard let connection else { throw away }
    let deleting = try await connection.openChannel()
    try await deleting.deleteQueue(name)
    await deleting.close()
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

  /// Several publishers may hear of the end of one channel, and the next one may be open by then.
  private func lost(_ channel: Channel, _ error: AMQPError) {
    guard self.channel === channel else { return }
    self.channel = nil
    away = error
    logger.error("Publishing channel to \(configuration.displayAddress): \(error) - opening another")
    channelLost.raise()
  }

  private func lost(_ failure: Reconnector.Failure) {
    connection = nil
    channel = nil
    blocked = nil
    away = failure.error as? AMQPError ?? AMQPError(.closed, "\(failure.error)")
    logger.error(BrokerFailure.line("Publishing", configuration, failure))
  }

  private func flowChanged(_ flow: Flow) {
    switch flow {
    case .blocked(let reason):
      blocked = reason
      logger.error("The broker takes no messages: \(reason) - see `rabbitmqctl status`")
    case .unblocked:
      blocked = nil
      logger.info("The broker takes messages again")
    }
  }
}
