import CCurl
import ServiceRuntime

/// A small HTTP/1.1 client over libcurl, on a thread of its own, one request at a time; connections are kept alive between requests.
///
/// Redirects are not followed: the answer 3xx comes back as it is, so that a token never goes to another host. Proxies are those of the
/// environment (`http_proxy`, `https_proxy`, `no_proxy`), by libcurl's rules. Whoever makes a client closes it.
public final class HTTPClient: Sendable {
  /// How long connecting may take, name resolution and TLS included.
  public static let defaultConnectTimeout = Duration.seconds(10)
  /// The guide's 30 s for a whole exchange.
  public static let defaultTimeout = Duration.seconds(30)
  /// Bytes of a response's body.
  public static let defaultResponseLimit = 4 << 20

  private struct State {
    var isClosed = false
    var transfers: [ObjectIdentifier: Cancellation] = [:]
  }

  private let worker: ClientWorker
  private let executor: ThreadExecutor
  private let state = Lock(State())

  /// Starts the client's thread. `caFile` is a PEM file of the certificates to trust instead of the system's.
  public init(
    userAgent: String, connectTimeout: Duration = defaultConnectTimeout, timeout: Duration = defaultTimeout,
    responseLimit: Int = defaultResponseLimit, caFile: String? = nil
  ) {
    executor = ThreadExecutor(name: "http-client")
    let defaults = TransferDefaults(
      userAgent: userAgent, connectTimeout: connectTimeout, timeout: timeout, responseLimit: responseLimit, caFile: caFile)
    worker = ClientWorker(defaults, on: executor)
  }

  deinit { close() }

  /// Sends a request and returns the answer, whatever its status. Requests of several tasks go one after the other; the times given
  /// count from when a request has its turn. When the task is cancelled, the transfer is aborted within a second.
  public func send(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPResponse {
    let cancellation = Cancellation()
    let isOpen = state.withLock { state in
      if !state.isClosed { state.transfers[ObjectIdentifier(cancellation)] = cancellation }
      return !state.isClosed
    }
    guard isOpen else { throw .closed }
    let result = await withTaskCancellationHandler {
      await worker.perform(request, cancellation)
    } onCancel: {
      cancellation.cancel()
    }
    let isLast = state.withLock { state in
      state.transfers[ObjectIdentifier(cancellation)] = nil
      return state.isClosed && state.transfers.isEmpty
    }
    if isLast { executor.stop() }
    return try result.get()
  }

  /// Aborts the requests under way, refuses new ones and ends the thread. Idempotent; from any thread; does not wait.
  public func close() {
    let isIdle = state.withLock { state in
      guard !state.isClosed else { return false }
      state.isClosed = true
      for cancellation in state.transfers.values { cancellation.cancel() }
      return state.transfers.isEmpty
    }
    if isIdle { executor.stop() }
  }
}

/// Asks a transfer to stop; libcurl's progress callback looks at it.
final class Cancellation: Sendable {
  private let flag = Lock(false)
  var isCancelled: Bool { flag.withLock { $0 } }
  func cancel() { flag.withLock { $0 = true } }
}

/// What holds for every request of a client.
struct TransferDefaults: Sendable {
  let userAgent: String
  let connectTimeout: Duration
  let timeout: Duration
  let responseLimit: Int
  let caFile: String?
}

/// The thread's side: blocks while libcurl works.
actor ClientWorker {
  private let executor: ThreadExecutor
  private let defaults: TransferDefaults
  private let handle = EasyHandle()

  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  init(_ defaults: TransferDefaults, on executor: ThreadExecutor) {
    self.defaults = defaults
    self.executor = executor
  }

  func perform(_ request: HTTPClientRequest, _ cancellation: Cancellation) -> Result<HTTPResponse, HTTPClientError> {
    guard !cancellation.isCancelled else { return .failure(.cancelled) }
    return Transfer(request, defaults, cancellation).run(on: handle)
  }
}
