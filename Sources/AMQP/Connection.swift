import CRabbitMQ
import ServiceRuntime

/// Whether the broker takes messages from us.
public enum Flow: Sendable, Equatable {
  /// An alarm (memory or disk): the broker reads nothing more from this connection, and publishing would wait for its end.
  case blocked(reason: String)
  /// The alarm is over.
  case unblocked
}

/// A logged-in connection to a broker.
///
/// An actor on its event loop: frames are read and dispatched, heartbeats serviced and requests written on the loop's thread only.
/// When it fails, everything waiting on it fails with the reason and `waitUntilClosed` returns it; it is never reopened (see `Reconnector`).
public actor Connection {
  /// The broker's `connection.blocked` and `unblocked`, newest kept; for one reader.
  public nonisolated let flow: AsyncStream<Flow>
  private let flowContinuation: AsyncStream<Flow>.Continuation
  /// What the broker says it is, such as `RabbitMQ 3.10.8`; `nil` when it says neither name nor version.
  public nonisolated let brokerName: String?
  private let loop: EventLoop
  private let configuration: ConnectionConfiguration
  /// `nil` once closed: the socket is gone with it.
  private var transport: Transport?
  private var channels: [UInt16: Channel] = [:]
  private var closeReason: AMQPError?
  private var closeWaiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
  private var lastWaiter: UInt64 = 0
  private var closing: CheckedContinuation<Void, Never>?
  private var keepAlive: TimerID?
  private var lastRead = ContinuousClock.now
  private var blockedReason: String?

  /// Frames handled before other connections of the loop have their turn.
  private static let framesInARow = 4096

  /// The loop's thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init(_ transport: sending Transport, _ configuration: ConnectionConfiguration, on loop: EventLoop) {
    self.loop = loop
    self.configuration = configuration
    brokerName = transport.brokerName
    self.transport = transport
    (flow, flowContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8))
  }

  /// Connects and logs in, on a thread made for it, and hands the connection to `loop`.
  ///
  /// Errors: `.connect`, `.timeout`, `.loginRefused` (403), `.connectionClosed` (530: no such vhost), `.transport`.
  public static func open(_ configuration: ConnectionConfiguration, on loop: EventLoop) async throws(AMQPError) -> Connection {
    let transport = try await connectedTransport(configuration)
    let connection = Connection(transport, configuration, on: loop)
    await connection.start()
    return connection
  }

  private static func connectedTransport(_ configuration: ConnectionConfiguration) async throws(AMQPError) -> sending Transport {
    do {
      return try await withCheckedThrowingContinuation { continuation in connectOnThread(configuration, continuation) }
    } catch let error as AMQPError {
      throw error
    } catch {
      throw AMQPError(.closed, "\(error)")
    }
  }

  /// Outside the actor: what runs on another thread must not be written in an isolated context.
  private static func connectOnThread(_ configuration: ConnectionConfiguration, _ continuation: CheckedContinuation<Transport, any Error>) {
    startThread(name: "amqp-login") {
      do throws(AMQPError) {
        continuation.resume(returning: try Transport(connecting: configuration))
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }

  private func start() {
    guard let transport else { return }
    loop.watch(transport.descriptor) { [weak self] in self?.assumeIsolated { $0.readAvailable() } }
    scheduleKeepAlive(every: max(.milliseconds(500), transport.heartbeat / 3))
    // The login may have left frames in librabbitmq's buffer, which no readiness of the socket would announce.
    readAvailable()
  }

  /// librabbitmq sends heartbeats and notices a silent peer only while it is asked for frames.
  private func scheduleKeepAlive(every interval: Duration) {
    keepAlive = loop.schedule(after: interval) { [weak self] in
      self?.assumeIsolated { connection in
        connection.readAvailable()
        if connection.transport != nil { connection.scheduleKeepAlive(every: interval) }
      }
    }
  }

  // MARK: Closing

  /// Closes with the protocol's farewell, so that the broker has read everything sent before. Returns when the socket is closed, after
  /// two seconds at the latest. Idempotent.
  public func close() async {
    guard transport != nil, closing == nil else { return await waitForClose() }
    let timer = loop.schedule(after: .seconds(2)) { [weak self] in self?.assumeIsolated { $0.fail(.closedByUs) } }
    defer { loop.cancel(timer) }
    await withCheckedContinuation { continuation in
      closing = continuation
      do throws(AMQPError) {
        try send(AMQP_CONNECTION_CLOSE_METHOD, channel: 0) { _ in
          amqp_connection_close_t(reply_code: 200, reply_text: amqp_empty_bytes, class_id: 0, method_id: 0)
        }
      } catch {
        fail(error)
      }
    }
  }

  /// Waits for the end of the connection, or of the task, and returns the reason; `nil` when we closed it or the task was cancelled first.
  public func waitUntilClosed() async -> AMQPError? {
    await waitForClose()
    return closeReason.flatMap { $0.kind == .closed ? nil : $0 }
  }

  private func waitForClose() async {
    guard transport != nil else { return }
    lastWaiter += 1
    let waiter = lastWaiter
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled || transport == nil { continuation.resume() } else { closeWaiters[waiter] = continuation }
      }
    } onCancel: {
      // The handler runs on the canceller's thread; the continuation belongs to the loop's.
      loop.soon { [weak self] in self?.assumeIsolated { $0.closeWaiters.removeValue(forKey: waiter)?.resume() } }
    }
  }

  /// The end: everything that waits is told why.
  private func fail(_ reason: AMQPError) {
    guard let transport else { return }
    loop.unwatch(transport.descriptor)
    if let keepAlive { loop.cancel(keepAlive) }
    self.transport = nil
    closeReason = reason
    let channels = channels.values
    self.channels = [:]
    for channel in channels { channel.assumeIsolated { $0.connectionClosed(reason) } }
    flowContinuation.finish()
    closing?.resume()
    closing = nil
    for waiter in closeWaiters.values { waiter.resume() }
    closeWaiters = [:]
  }

  // MARK: Channels

  /// Opens a channel. Errors: `.connectionClosed`, `.closed`, `.invalid` when all channel numbers are taken.
  public func openChannel() async throws(AMQPError) -> Channel {
    guard transport != nil else { throw closeReason ?? .closedByUs }
    guard let number = (1...UInt16(configuration.maximumChannels)).first(where: { channels[$0] == nil }) else {
      throw AMQPError(.invalid, "all \(configuration.maximumChannels) channels of the connection are open")
    }
    let channel = Channel(number: number, of: self, on: loop, replyTimeout: configuration.replyTimeout)
    channels[number] = channel
    try await channel.open()
    return channel
  }

  /// The number may be used again.
  func forget(_ number: UInt16) { channels[number] = nil }

  /// Why nothing can be published now; `nil` when it can.
  public var blocked: AMQPError? { blockedReason.map { AMQPError(.blocked, "the broker takes no messages: \($0)") } }

  // MARK: Writing, for the channels

  func send<Arguments: BitwiseCopyable>(
    _ method: amqp_method_number_t, channel: UInt16, _ arguments: @Sendable (inout amqp_pool_t) throws(AMQPError) -> Arguments
  ) throws(AMQPError) {
    guard let transport else { throw closeReason ?? .closedByUs }
    do throws(AMQPError) {
      try transport.send(method, channel: channel, arguments)
    } catch {
      if error.kind != .invalid { fail(error) }
      throw error
    }
  }

  func publish(_ publication: Publication, channel: UInt16) throws(AMQPError) {
    // The library would cut bodies at a limit that the broker does not know of.
    guard configuration.inboundFrameAllowance == 0 else { throw AMQPError(.invalid, "this connection only consumes") }
    if let blocked { throw blocked }
    // Before librabbitmq may want to read by itself (see `Transport.publish`); not before each one, which would cost a system call.
    if let transport, lastRead.duration(to: .now) > transport.heartbeat / 4 { readAvailable() }
    guard let transport else { throw closeReason ?? .closedByUs }
    do throws(AMQPError) {
      try transport.publish(publication, channel: channel)
    } catch {
      // A send that failed cannot be resumed: the frames may be cut anywhere. A message that was refused before a byte was written harms nothing.
      if error.kind != .invalid { fail(error) }
      throw error
    }
  }

  /// A request was not answered in time: the order of replies is lost, and with it the connection.
  func replyOverdue(_ error: AMQPError) { fail(error) }

  // MARK: Reading

  private func readAvailable() {
    lastRead = .now
    var run = FrameRun()
    var count = 0
    do throws(AMQPError) {
      do throws(AMQPError) {
        while count < Self.framesInARow, let frame = try transport?.nextFrame() {
          try dispatch(frame, &run)
          count += 1
        }
      } catch {
        // What came before the error counts.
        try handOver(&run)
        throw error
      }
      try handOver(&run)
    } catch {
      fail(error)
    }
    if count == Self.framesInARow { loop.soon { [weak self] in self?.assumeIsolated { $0.readAvailable() } } }
  }

  /// Frames of one channel that came one after the other: the channel is entered once for all of them.
  private struct FrameRun {
    var channel: UInt16 = 0
    var frames: [InboundFrame] = []
  }

  private func dispatch(_ frame: InboundFrame, _ run: inout FrameRun) throws(AMQPError) {
    switch frame {
    case .heartbeat: return
    case .method(channel: 0, let method):
      try handOver(&run)
      try handle(method)
    case .method(let number, .channelClose(let code, let text)):
      try handOver(&run)
      try send(AMQP_CHANNEL_CLOSE_OK_METHOD, channel: number) { _ in amqp_channel_close_ok_t() }
      let reason = AMQPError(.channelClosed(code: code), "the broker closed the channel: \(code) \(text)")
      channels.removeValue(forKey: number)?.assumeIsolated { $0.connectionClosed(reason) }
    case .method(let number, .channelFlow(let active)):
      try send(AMQP_CHANNEL_FLOW_OK_METHOD, channel: number) { _ in amqp_channel_flow_ok_t(active: active ? 1 : 0) }
    case .method(let number, _), .header(let number, _, _), .body(let number, _):
      if number != run.channel { try handOver(&run) }
      run.channel = number
      run.frames.append(frame)
    }
  }

  private func handOver(_ run: inout FrameRun) throws(AMQPError) {
    guard !run.frames.isEmpty else { return }
    let frames = run.frames
    run.frames = []
    try channels[run.channel]?.onSameLoop { channel throws(AMQPError) in try channel.receive(frames) }
  }

  private func handle(_ method: InboundMethod) throws(AMQPError) {
    switch method {
    case .connectionClose(let code, let text):
      // An answer that cannot be written changes nothing: the broker closes in any case, and this is the reason worth telling.
      _ = try? transport?.send(AMQP_CONNECTION_CLOSE_OK_METHOD, channel: 0) { _ in amqp_connection_close_ok_t() }
      throw AMQPError(.connectionClosed(code: code), "the broker closed the connection: \(code) \(text)")
    case .reply(.connectionClosed): throw .closedByUs
    case .blocked(let reason):
      blockedReason = reason
      flowContinuation.yield(.blocked(reason: reason))
    case .unblocked:
      blockedReason = nil
      flowContinuation.yield(.unblocked)
    default: return
    }
  }
}
