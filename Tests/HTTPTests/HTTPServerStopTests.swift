import ServiceRuntime
import Testing

@testable import HTTP
@testable import HTTPServing

@Suite("HTTP server stop", .timeLimit(.minutes(15)))
struct HTTPServerStopTests {
  private static func get(_ port: Int) async -> String {
    await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n", port: port)
  }

  @Test("a stop refuses new connections, finishes the request under way and closes its connection") func graceful() async throws {
    let gate = Gate()
    try await withServer(handler: { _ in
      await gate.pass()
      return .text("finished")
    }) { server in
      let port = server.port
      async let answer = Self.get(port)
      await gate.waitForArrival()
      async let stopped: Void = server.stop()
      try await withClient { client in
        // The stop reaches the server's thread a moment later; until then a connection may still be taken.
        var error = await failure { () async throws(HTTPClientError) in
          try await client.send(HTTPClientRequest(url: "http://127.0.0.1:\(port)/", timeout: .milliseconds(200)))
        }
        while error?.kind != .connection(111) {
          error = await failure { () async throws(HTTPClientError) in
            try await client.send(HTTPClientRequest(url: "http://127.0.0.1:\(port)/", timeout: .milliseconds(200)))
          }
        }
      }
      gate.open()
      let text = await answer
      #expect(text.hasPrefix("HTTP/1.1 200"))
      #expect(text.contains("Connection: close"))
      #expect(text.hasSuffix("finished"))
      await stopped
    }
  }

  @Test("a request that does not finish in time is answered 503 and its handler cancelled") func stopTimeout() async throws {
    let gate = Gate()
    try await withServer(
      { $0.stopTimeout = .milliseconds(100) },
      handler: { _ in
        await gate.pass()
        return .text("late")
      }
    ) { server in
      let port = server.port
      async let answer = Self.get(port)
      await gate.waitForArrival()
      await server.stop()
      let text = await answer
      #expect(text.hasPrefix("HTTP/1.1 503"))
      #expect(text.hasSuffix(#"{"error":"Server is stopping"}"#))
    }
  }

  @Test("stop is idempotent, also from several tasks, and frees the port") func idempotent() async throws {
    let port = try await withServer(handler: { _ in .text("") }) { server in
      await withTaskGroup(of: Void.self) { group in for _ in 0..<8 { group.addTask { await server.stop() } } }
      await server.stop()
      return server.port
    }
    let again = try HTTPServer(HTTPServerConfiguration(port: port)) { _ in .text("") }
    await again.stop()
  }

  @Test("cancelling run cancels the handlers, sends what they answer and stops") func cancellation() async throws {
    let gate = Gate()
    let server = try HTTPServer(HTTPServerConfiguration(port: 0)) { _ in
      await gate.pass()
      return .text("cancelled: \(Task.isCancelled)")
    }
    let answer = await withTaskGroup(of: Void.self) { group in
      group.addTask { await server.run() }
      async let answer = Self.get(server.port)
      await gate.waitForArrival()
      group.cancelAll()
      return await answer
    }
    #expect(answer.hasSuffix("cancelled: true"))
  }

  @Test("a server that never ran answers what waits and stops") func neverRun() async throws {
    var configuration = HTTPServerConfiguration(port: 0)
    configuration.stopTimeout = .milliseconds(50)
    let server = try HTTPServer(configuration) { _ in .text("") }
    let port = server.port
    let socket = await onOwnThread {
      let socket = RawSocket(port: port)
      socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      return socket
    }
    await server.stop()
    let answer = await onOwnThread { socket.readToEnd() }
    #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 503"))
  }

  @Test("a stopped server leaves nothing behind") func released() async throws {
    final class Token: Sendable {}
    weak var witness: Token?
    do {
      let token = Token()
      witness = token
      try await withServer(handler: { _ in
        withExtendedLifetime(token) { .text("") }
      }) { server in
        _ = await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      }
    }
    #expect(witness == nil)
  }
}
