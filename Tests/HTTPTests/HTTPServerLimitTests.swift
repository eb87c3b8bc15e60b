import ServiceRuntime
import Testing

@testable import HTTP

@Suite("HTTP server limits", .timeLimit(.minutes(15)))
struct HTTPServerLimitTests {
  @Test(
    "a body over the limit is answered 413, one at the limit is taken", arguments: [(1000, 200), (1001, 413), (7000, 413), (9000, 413)])
  func bodyLimit(_ size: Int, _ status: Int) async throws {
    try await withServer({ $0.bodyLimit = 1000 }, handler: { .text("\($0.body.count)") }) { server in
      let answer = await RawSocket.exchange(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: \(size)\r\n\r\n"
          + String(repeating: "x", count: min(size, 8000)),
        port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
      if status == 413 { #expect(answer.hasSuffix(#"{"error":"Request body is larger than 1000 bytes"}"#)) }
    }
  }

  @Test("a chunked body over the limit is answered 413, an endless one is cut off") func chunkedLimit() async throws {
    try await withServer({ $0.bodyLimit = 1000 }, handler: { .text("\($0.body.count)") }) { server in
      let port = server.port
      let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
      let chunk = "3e8\r\n" + String(repeating: "x", count: 1000) + "\r\n"
      let answer = await RawSocket.exchange(head + chunk + chunk + "0\r\n\r\n", port: port)
      #expect(answer.hasPrefix("HTTP/1.1 413"))
      let isCutOff = await onOwnThread {
        let socket = RawSocket(port: port)
        socket.write(head)
        for _ in 0..<100_000 where !socket.write(chunk) { return true }
        return false
      }
      #expect(isCutOff)
    }
  }

  @Test("a client that asks before it sends a large body is refused before it sends it") func expectation() async throws {
    try await withServer({ $0.bodyLimit = 1000 }, handler: { .text("\($0.body.count)") }) { server in
      let answer = await RawSocket.exchange(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 413"))
    }
  }

  @Test("headers over the limit are refused", arguments: ["header", "target"]) func headerLimit(_ place: String) async throws {
    try await withServer({ $0.headerMemory = 8192 }, handler: { _ in .text("") }) { server in
      let long = String(repeating: "x", count: 20000)
      let request = place == "header" ? "GET / HTTP/1.1\r\nHost: a\r\nX: \(long)\r\n\r\n" : "GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n"
      let answer = await RawSocket.exchange(request, port: server.port)
      // The rest of the request can reset the connection before the answer is read.
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 431") || answer.hasPrefix("HTTP/1.1 414"))
    }
  }

  @Test("over the bound a request is answered 503 at once, and the bound is free again afterwards") func busy() async throws {
    let gate = Gate()
    try await withServer(
      { $0.requests = 1 },
      handler: { request in
        if request.path == "/wait" { await gate.pass() }
        return .text("done")
      }
    ) { server in
      let port = server.port
      let get = { @Sendable (path: String) in
        await RawSocket.exchange("GET \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: port)
      }
      async let first = get("/wait")
      await gate.waitForArrival()
      let second = await get("/")
      #expect(second.hasPrefix("HTTP/1.1 503"))
      #expect(second.hasSuffix(#"{"error":"Server is busy"}"#))
      gate.open()
      #expect(await first.hasSuffix("done"))
      var third = await get("/")
      while third.hasPrefix("HTTP/1.1 503") { third = await get("/") }  // the first handler's task may still be ending
      #expect(third.hasSuffix("done"))
    }
  }

  @Test("a handler that takes too long is cancelled and its client answered 504") func handlerDeadline() async throws {
    let wasCancelled = Lock(false)
    let gate = Gate()
    try await withServer(
      { $0.handlerTimeout = .milliseconds(100) },
      handler: { _ in
        await gate.pass()
        wasCancelled.withLock { $0 = Task.isCancelled }
        return .text("late")
      }
    ) { server in
      let answer = await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 504"))
      #expect(answer.hasSuffix(#"{"error":"Request timed out"}"#))
    }
    #expect(wasCancelled.withLock { $0 })
  }

  @Test("a client is answered 504 in time also when the handler does not heed its cancellation") func stubbornHandler() async throws {
    let release = Lock<CheckedContinuation<Void, Never>?>(nil)
    try await withServer(
      { $0.handlerTimeout = .milliseconds(100) },
      handler: { _ in
        await withCheckedContinuation { continuation in release.withLock { $0 = continuation } }
        return .text("late")
      }
    ) { server in
      let answer = await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 504"))
      release.withLock { $0 }?.resume()
    }
  }

  @Test("a client that sends its request byte by byte is cut off", arguments: ["head", "body"]) func slowClient(_ stage: String)
    async throws
  {
    try await withServer({ $0.clientTimeout = .milliseconds(300) }, handler: { _ in .text("") }) { server in
      let port = server.port
      let isCutOff = await onOwnThread {
        let socket = RawSocket(port: port)
        if stage == "body" { socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n") } else { socket.write("GET /") }
        for _ in 0..<200 {
          guard socket.write("x") else { return true }
          if let answer = socket.read(within: .milliseconds(50)) { return answer.isEmpty }
        }
        return false
      }
      #expect(isCutOff)
    }
  }

  @Test("an idle connection is closed, and one whose handler works longer than that is not") func idle() async throws {
    let gate = Gate()
    try await withServer(
      { $0.clientTimeout = .milliseconds(200) },
      handler: { _ in
        await gate.pass()
        return .text("worth waiting")
      }
    ) { server in
      let port = server.port
      async let patient = RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: port)
      await gate.waitForArrival()
      let idleEnd = await onOwnThread { RawSocket(port: port).readToEnd() }
      #expect(idleEnd.isEmpty)
      gate.open()
      #expect(await patient.hasSuffix("worth waiting"))
    }
  }

  @Test("a connection over the bound waits until another has ended") func connectionLimit() async throws {
    try await withServer({ $0.connections = 1 }, handler: { .text($0.path) }) { server in
      let port = server.port
      let first = await onOwnThread {
        let socket = RawSocket(port: port)
        socket.write("GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = socket.read(until: "/one")
        return socket
      }
      let (early, late) = await onOwnThread {
        let second = RawSocket(port: port)
        second.write("GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        let early = second.read(within: .milliseconds(200))
        first.write("GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        _ = first.readToEnd()
        return (early, second.readToEnd())
      }
      #expect(early == nil)
      #expect(late.hasSuffix("/two"))
    }
  }
}
