import CLinux
import CMicroHTTPD
import Glibc
import HTTP
import ServiceRuntime

/// A request on its way to the handler, and the ticket for its answer.
struct PendingRequest: Sendable {
  let identifier: UInt64
  let request: HTTPRequest
  /// Ends when the request has its answer, by the handler or without it.
  let answered: AsyncStream<Void>
}

/// The thread that does everything with sockets: it never waits for a handler, and no handler ever waits for it.
///
/// Requests go out through a bounded stream; answers come back through `answer`, which wakes the thread.
///
/// `@unchecked Sendable`: what other threads touch is in `control` and `pending`; the other variables are set in `init`, before the
/// thread exists, and belong to the thread afterwards.
final class ServerLoop: @unchecked Sendable {
  /// How long an answer may take to reach the kernel's buffer at the end of a stop.
  private static let flushTime = Duration.milliseconds(250)
  /// How often connections are looked at for slow clients; also the longest wait of the thread.
  private static let sweepInterval = Duration.seconds(1)

  private struct Control {
    var answers: [(identifier: UInt64, response: HTTPResponse)] = []
    var stopDeadline: ContinuousClock.Instant?
    /// Requests that a handler has, or that wait for one. Counts also those whose client was answered 504 meanwhile.
    var handling = 0
    var isStopped = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  let port: Int
  /// The requests for the handlers; ends when the server has stopped.
  let requests: AsyncStream<PendingRequest>

  private let configuration: HTTPServerConfiguration
  private let pending: AsyncStream<PendingRequest>.Continuation
  private let control = Lock(Control())
  private let wakeDescriptor: Int32

  private var daemon: MicroHTTPDaemon?
  private var underWay: [UInt64: RequestReception] = [:]
  private var nextIdentifier: UInt64 = 0
  private var isStopping = false
  /// Connections whose client has to do something, and since when.
  private var waitingForClient: [Int32: ContinuousClock.Instant] = [:]

  /// Listens from now on; the thread runs until `requestStop`.
  init(_ configuration: HTTPServerConfiguration) throws(HTTPServerError) {
    self.configuration = configuration
    let socket = try ListeningSocket(address: configuration.address, port: configuration.port)
    port = socket.port
    // As large as what `admit` lets through, so nothing is ever dropped.
    (requests, pending) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(max(1, configuration.requests)))
    wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard wakeDescriptor >= 0 else {
      let code = errno
      throw HTTPServerError(.system(code), "cannot start the HTTP server: eventfd: \(String(cString: strerror(code)))")
    }
    daemon = try MicroHTTPDaemon(socket, configuration, for: self)
    startThread(name: "http-server") { [self] in main() }
  }

  deinit { if wakeDescriptor >= 0 { close(wakeDescriptor) } }

  // MARK: From any thread

  /// Gives a request its answer; of several for one request the first counts.
  func answer(_ identifier: UInt64, _ response: HTTPResponse) {
    control.withLock { $0.answers.append((identifier, response)) }
    wake()
  }

  /// A handler has ended.
  func handlerEnded() { control.withLock { $0.handling -= 1 } }

  /// Stops accepting, and stops altogether when no request is under way any more, at the latest after `grace`. The earliest of several counts.
  func requestStop(within grace: Duration) {
    let deadline = ContinuousClock.now + grace
    control.withLock { $0.stopDeadline = min($0.stopDeadline ?? deadline, deadline) }
    wake()
  }

  /// Returns when the thread has closed everything. Not cut short by cancellation: `requestStop` has bounded it.
  func waitUntilStopped() async {
    await withCheckedContinuation { waiter in
      let isStopped = control.withLock { control in
        if !control.isStopped { control.waiters.append(waiter) }
        return control.isStopped
      }
      if isStopped { waiter.resume() }
    }
  }

  private func wake() {
    var one: UInt64 = 1
    // It can only fail when the counter is full, and then the thread wakes up anyway.
    _ = write(wakeDescriptor, &one, 8)
  }

  private func wait(until wakeUp: ContinuousClock.Instant, _ daemonDescriptor: Int32) {
    var descriptors = [
      pollfd(fd: daemonDescriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0),
    ]
    let milliseconds = max(0, (wakeUp - ContinuousClock.now).milliseconds + 1)
    // An interrupted wait is one turn of the loop more.
    guard poll(&descriptors, 2, Int32(clamping: milliseconds)) > 0, descriptors[1].revents != 0 else { return }
    var count: UInt64 = 0
    _ = read(wakeDescriptor, &count, 8)
  }

  // MARK: On the thread

  private func run(_ daemon: consuming MicroHTTPDaemon) {
    let sweepInterval = min(Self.sweepInterval, configuration.clientTimeout)
    var nextSweep = ContinuousClock.now + sweepInterval
    var flushDeadline: ContinuousClock.Instant?
    while true {
      let (answers, stopDeadline) = control.withLock { control in
        var answers: [(identifier: UInt64, response: HTTPResponse)] = []
        swap(&answers, &control.answers)
        return (answers, control.stopDeadline)
      }
      if stopDeadline != nil && !isStopping {
        isStopping = true
        daemon.stopAccepting()
      }
      for (identifier, response) in answers { deliver(identifier, response) }
      daemon.run()

      let now = ContinuousClock.now
      for (identifier, reception) in underWay where reception.waiting.map({ $0.deadline <= now }) == true {
        deliver(identifier, .error(504, "Request timed out"))
      }
      if now >= nextSweep {
        disconnectSlowClients(now)
        nextSweep = now + sweepInterval
      }
      var wakeUp = underWay.values.reduce(nextSweep) { min($0, $1.waiting?.deadline ?? $0) }
      if let stopDeadline {
        if underWay.isEmpty || flushDeadline.map({ now >= $0 }) == true { break }
        if flushDeadline == nil && now >= stopDeadline {
          flushDeadline = now + Self.flushTime
          for identifier in Array(underWay.keys) { deliver(identifier, .error(503, "Server is stopping")) }
        }
        wakeUp = min(wakeUp, flushDeadline ?? stopDeadline)
      }
      if !daemon.hasPendingWork { wait(until: wakeUp, daemon.pollDescriptor) }
    }
  }

  /// The thread's whole life. The daemon ends inside `run`, and calls back while it does, so the streams end only afterwards.
  private func main() {
    guard let daemon = daemon.take() else { return }
    run(daemon)
    let waiters = control.withLock { control in
      control.isStopped = true
      control.answers = []
      defer { control.waiters = [] }
      return control.waiters
    }
    pending.finish()
    for waiter in waiters { waiter.resume() }
  }

  private func deliver(_ identifier: UInt64, _ response: HTTPResponse) {
    // Absent: it was answered before, or is completed.
    guard let reception = underWay[identifier], let waiting = reception.waiting else { return }
    reception.waiting = nil
    waiting.answered.finish()
    waitingForClient[reception.descriptor] = .now
    if reception.connection.queue(response, closing: isStopping || response.closesConnection) == .NO {
      // What the handler gave cannot be sent; without an answer the library would call `advance` again, which drops the connection.
      _ = reception.connection.queue(.error(500, "Internal server error"), closing: true)
    }
    reception.connection.resume()
  }

  /// Closes the connections whose client takes longer than it may. Only their sockets: the library then sees the end of the stream.
  private func disconnectSlowClients(_ now: ContinuousClock.Instant) {
    for (descriptor, since) in waitingForClient where now - since >= configuration.clientTimeout { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  // MARK: Called by the daemon, on the thread

  func opened(_ descriptor: Int32) { waitingForClient[descriptor] = .now }

  func closed(_ descriptor: Int32) { waitingForClient[descriptor] = nil }

  func completed(_ reception: RequestReception) {
    if let identifier = reception.identifier { underWay[identifier] = nil }
    waitingForClient[reception.descriptor] = .now
  }

  /// The library's access handler: once after the headers, once a piece of the body, once at the end.
  func advance(
    _ reception: RequestReception, method: UnsafePointer<CChar>, data: UnsafePointer<CChar>?, size: UnsafeMutablePointer<Int>
  ) -> MHD_Result {
    let limit = configuration.bodyLimit
    let step: RequestReception.Step
    if !reception.hasBegun {
      step = reception.begin(limit: limit)
    } else if size.pointee > 0 {
      step = reception.append(UnsafeRawBufferPointer(start: data, count: size.pointee), limit: limit)
      size.pointee = 0
    } else if reception.identifier != nil {
      step = .drop
    } else {
      step = dispatch(reception, String(cString: method))
    }
    switch step {
    case .readOn: return .YES
    case .drop: return .NO
    case .refuse(let response):
      waitingForClient[reception.descriptor] = .now
      return reception.connection.queue(response, closing: isStopping)
    }
  }

  /// A whole request: to a handler, or answered here.
  private func dispatch(_ reception: RequestReception, _ method: String) -> RequestReception.Step {
    let request: HTTPRequest
    switch reception.finish(method: method, limit: configuration.bodyLimit) {
    case .failure(let refusal): return .refuse(refusal.response)
    case .success(let whole): request = whole
    }
    if isStopping { return .refuse(.error(503, "Server is stopping")) }
    let isAdmitted = control.withLock { control in
      guard control.handling < configuration.requests else { return false }
      control.handling += 1
      return true
    }
    guard isAdmitted else { return .refuse(.error(503, "Server is busy")) }

    nextIdentifier += 1
    reception.identifier = nextIdentifier
    let (answered, end) = AsyncStream<Void>.makeStream()
    reception.waiting = RequestReception.Waiting(deadline: .now + configuration.handlerTimeout, answered: end)
    underWay[nextIdentifier] = reception
    waitingForClient[reception.descriptor] = nil
    reception.connection.suspend()
    pending.yield(PendingRequest(identifier: nextIdentifier, request: request, answered: answered))
    return .readOn
  }
}
