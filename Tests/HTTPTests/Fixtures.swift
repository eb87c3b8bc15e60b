import HTTP
import HTTPServing
import ServiceRuntime

/// Holds tasks until it is opened.
final class Gate: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation
  private let arrivals = AsyncStream<Void>.makeStream()

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func open() { continuation.finish() }

  /// Waits for the gate; returns early when the task is cancelled.
  func pass() async {
    arrivals.continuation.yield()
    for await _ in stream {}
  }

  /// Returns when somebody stands at the gate.
  func waitForArrival() async {
    for await _ in arrivals.stream { return }
  }
}

/// Runs a server on a free port of loopback for the time of `body`.
func withServer<Result: Sendable>(
  _ configure: (inout HTTPServerConfiguration) -> Void = { _ in }, handler: @escaping HTTPServer.Handler,
  _ body: (HTTPServer) async throws -> Result
) async throws -> Result {
  var configuration = HTTPServerConfiguration(port: 0)
  configure(&configuration)
  let server = try HTTPServer(configuration, handler: handler)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { await server.run() }
    let result: Result
    do {
      result = try await body(server)
    } catch {
      await server.stop()
      throw error
    }
    await server.stop()
    try await group.waitForAll()
    return result
  }
}

/// A client for the time of `body`.
func withClient<Result>(
  connectTimeout: Duration = .seconds(10), timeout: Duration = .seconds(20), responseLimit: Int = HTTPClient.defaultResponseLimit,
  _ body: (HTTPClient) async throws -> Result
) async throws -> Result {
  let client = HTTPClient(userAgent: "tests/1", connectTimeout: connectTimeout, timeout: timeout, responseLimit: responseLimit)
  defer { client.close() }
  return try await body(client)
}

extension HTTPResponse {
  var text: String { String(decoding: body, as: UTF8.self) }

  static func text(_ text: String, status: Int = 200) -> HTTPResponse {
    HTTPResponse(status: status, headers: ["Content-Type": "text/plain"], body: Array(text.utf8))
  }
}

/// The error of a request that must fail.
func failure(of body: () async throws(HTTPClientError) -> HTTPResponse) async -> HTTPClientError? {
  do throws(HTTPClientError) {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}
