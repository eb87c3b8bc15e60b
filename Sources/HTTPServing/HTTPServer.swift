import HTTP
import ServiceRuntime

/// A small HTTP/1.1 server over libmicrohttpd: one thread for all sockets, handlers as tasks of `run`.
///
/// What the server answers by itself has a JSON body `{"error":"…"}`: 400 for a target that cannot be decoded, 413, 503 when it is busy or
/// stopping, 504 for a handler that takes too long, 500 for an answer that cannot be sent. Requests that are broken as HTTP, and headers
/// that are too large (414, 431), are answered by libmicrohttpd with texts of its own.
public final class HTTPServer: Sendable {
  /// Answers one request. Called concurrently; its task is cancelled when it takes too long or the server stops.
  public typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse

  /// The port it listens on, also when a free one was asked for.
  public var port: Int { loop.port }

  private let configuration: HTTPServerConfiguration
  private let loop: ServerLoop
  private let handler: Handler
  private let hasRun = Lock(false)

  /// Listens from here on; requests wait until `run` is called.
  public init(_ configuration: HTTPServerConfiguration, handler: @escaping Handler) throws(HTTPServerError) {
    self.configuration = configuration
    self.handler = handler
    loop = try ServerLoop(configuration)
  }

  deinit { loop.requestStop(within: .zero) }

  /// Handles requests until the server is stopped or the task cancelled, and returns when everything is closed. To be called once.
  ///
  /// Cancellation stops accepting, cancels the handlers and sends the answers they still give.
  public func run() async {
    let isFirst = hasRun.withLock { hasRun in
      defer { hasRun = true }
      return !hasRun
    }
    precondition(isFirst, "HTTPServer.run() is called once")
    await withTaskCancellationHandler {
      await withDiscardingTaskGroup { group in
        for await pending in loop.requests { group.addTask { await self.serve(pending) } }
        group.cancelAll()
      }
    } onCancel: {
      loop.requestStop(within: configuration.stopTimeout)
    }
    loop.requestStop(within: .zero)
    await loop.waitUntilStopped()
  }

  /// Refuses new connections, lets the requests under way finish for at most `stopTimeout`, answers the rest 503 and closes everything.
  /// Idempotent; from anywhere, also without `run`.
  public func stop() async {
    loop.requestStop(within: configuration.stopTimeout)
    await loop.waitUntilStopped()
  }

  private func serve(_ pending: PendingRequest) async {
    defer { loop.handlerEnded() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { self.loop.answer(pending.identifier, await self.handler(pending.request)) }
      // The server's thread keeps the time: a `Task.sleep` a request would hold its memory until its end, although it was cancelled.
      group.addTask { for await _ in pending.answered {} }
      // The first to end decides; the group then waits for a handler that does not heed its cancellation, while its client has the 504.
      await group.next()
      group.cancelAll()
    }
  }
}
