import CCurl
import Glibc
import ServiceRuntime
import Testing

@testable import HTTP
@testable import HTTPServing

@Suite("HTTP client", .timeLimit(.minutes(15)))
struct HTTPClientTests {
  private static let token = "secret-token-0123456789"

  private func fail(
    _ url: String, connectTimeout: Duration = .seconds(10), timeout: Duration = .seconds(20), responseLimit: Int = 1000
  ) async throws -> HTTPClientError? {
    try await withClient(connectTimeout: connectTimeout, timeout: timeout, responseLimit: responseLimit) { client in
      await failure { () async throws(HTTPClientError) in
        try await client.send(HTTPClientRequest(url: url, headers: ["Authorization": "Bearer \(Self.token)"]))
      }
    }
  }

  private func freePort() throws -> Int {
    let socket = try ListeningSocket(address: "127.0.0.1", port: 0)
    return socket.port
  }

  @Test("a refused connection reads as in the guide") func refused() async throws {
    let error = try await fail("http://127.0.0.1:\(try freePort())/")
    #expect(error?.kind == .connection(ECONNREFUSED))
    #expect(error?.description == "[Errno 111] Connection refused")
  }

  @Test("a name without an address reads as in the guide") func unresolvable() async throws {
    let error = try await fail("http://no-such-host.invalid/")
    #expect(error?.kind == .resolution)
    #expect(error?.description == "[Errno -2] Name or service not known")
  }

  @Test("a server that never answers is a read time-out") func readTimeout() async throws {
    let silent = try ListeningSocket(address: "127.0.0.1", port: 0)
    let error = try await fail("http://127.0.0.1:\(silent.port)/", timeout: .milliseconds(200))
    #expect(error?.kind == .readTimeout)
    #expect(error?.description == "Read timed out.")
  }

  @Test("a host that does not take the connection is a connect time-out") func connectTimeout() async throws {
    let full = try ListeningSocket(address: "127.0.0.1", port: 0)
    listen(full.descriptor, 0)
    // A queue of one: the second connection's handshake is not answered any more.
    let port = full.port
    let filler = RawSocket(port: port)
    let error = try await fail("http://127.0.0.1:\(port)/", connectTimeout: .milliseconds(300))
    withExtendedLifetime(filler) {}
    #expect(error?.kind == .connectTimeout)
    #expect(error?.description == "Connect timed out.")
  }

  @Test("another program's greeting is no answer") func foreignProtocol() async throws {
    let server = try ScriptedServer(["SSH-2.0-OpenSSH_9.2p1\r\n"])
    let error = try await fail("http://127.0.0.1:\(server.port)/")
    #expect(error?.kind == .connection(0))
    #expect(error?.description == "What answers there does not speak HTTP")
  }

  @Test("a server that closes without an answer is a broken connection") func noAnswer() async throws {
    let server = try ScriptedServer([""])
    let error = try await fail("http://127.0.0.1:\(server.port)/")
    guard case .connection = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("an answer that ends too early is a broken connection") func partial() async throws {
    let server = try ScriptedServer(["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"])
    guard case .connection = try await fail("http://127.0.0.1:\(server.port)/")?.kind else {
      Issue.record("no error of the connection")
      return
    }
  }

  @Test("what is no HTTP is an error", arguments: ["SSH-2.0-OpenSSH\r\n", "\u{0}\u{1}\u{2}\u{3}"]) func noHTTP(_ bytes: String) async throws
  {
    let server = try ScriptedServer([bytes])
    #expect(try await fail("http://127.0.0.1:\(server.port)/") != nil)
  }

  @Test(
    "an answer over the limit is refused, whether its length is announced or not",
    arguments: [
      "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
    ]) func tooLarge(_ head: String) async throws
  {
    let server = try ScriptedServer([head + String(repeating: "x", count: 2000)])
    let error = try await fail("http://127.0.0.1:\(server.port)/")
    #expect(error?.kind == .tooLarge)
    #expect(error?.description == "The response is larger than 1000 bytes")
  }

  @Test("a redirect comes back as it is and is not followed") func redirect() async throws {
    let visits = Lock(0)
    try await withServer(handler: { request in
      visits.withLock { $0 += 1 }
      return HTTPResponse(status: 302, headers: ["Location": "/elsewhere"])
    }) { server in
      let response = try await withClient { try await $0.send(HTTPClientRequest(url: "http://127.0.0.1:\(server.port)/")) }
      #expect(response.status == 302)
      #expect(response.headers["location"] == "/elsewhere")
    }
    #expect(visits.withLock { $0 } == 1)
  }

  @Test(
    "a URL that is not http or https is refused",
    arguments: ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://h/", "", "http://", "http://a b/"])
  func badURL(_ url: String) async throws {
    #expect(try await fail(url)?.kind == .invalidRequest)
  }

  @Test("a line break in a header is refused before anything is sent") func headerInjection() async throws {
    try await withClient { client in
      let error = await failure { () async throws(HTTPClientError) in
        try await client.send(HTTPClientRequest(url: "http://127.0.0.1:1/", headers: ["X-A": "\(Self.token)\r\nX-B: c"]))
      }
      #expect(error?.kind == .invalidRequest)
      #expect(error?.description.contains("X-A") == true)
      #expect(error?.description.contains(Self.token) == false)
    }
  }

  @Test("a token is in no error, whatever fails") func tokenStaysSecret() async throws {
    let port = try freePort()
    for url in [
      "http://127.0.0.1:\(port)/", "https://127.0.0.1:\(port)/", "http://user:\(Self.token)@127.0.0.1:\(port)/",
      "ftp://user:\(Self.token)@h/", "http://user:\(Self.token)@no-such-host.invalid/", "http://[bad/\(Self.token)",
    ] {
      let error = try #require(try await fail(url))
      #expect(!error.description.contains(Self.token))
    }
  }

  @Test("plain text where TLS is expected is an error of TLS") func tls() async throws {
    try await withServer(handler: { _ in .text("") }) { server in
      let error = try await fail("https://127.0.0.1:\(server.port)/")
      #expect(error?.kind == .tls)
    }
  }

  @Test("a file of certificates that is not there is an error of TLS that names it") func missingCAFile() async throws {
    let client = HTTPClient(userAgent: "tests/1", caFile: "/nonexistent/ca.pem")
    defer { client.close() }
    try await withServer(handler: { _ in .text("") }) { server in
      let error = await failure { () async throws(HTTPClientError) in
        try await client.send(HTTPClientRequest(url: "https://127.0.0.1:\(server.port)/"))
      }
      #expect(error?.kind == .tls)
      #expect(error?.description.contains("/nonexistent/ca.pem") == true)
    }
  }

  @Test("cancelling the task aborts the transfer, and the client goes on") func cancellation() async throws {
    let gate = Gate()
    try await withServer(handler: { request in
      if request.path == "/wait" { await gate.pass() }
      return .text("next")
    }) { server in
      let url = "http://127.0.0.1:\(server.port)"
      try await withClient(timeout: .seconds(60)) { client in
        let start = ContinuousClock.now
        let error = await withTaskGroup(of: HTTPClientError?.self) { group in
          group.addTask {
            await failure { () async throws(HTTPClientError) in try await client.send(HTTPClientRequest(url: url + "/wait")) }
          }
          await gate.waitForArrival()
          group.cancelAll()
          return await group.next() ?? nil
        }
        #expect(error?.kind == .cancelled)
        #expect(ContinuousClock.now - start < .seconds(10))
        gate.open()
        let next = try await client.send(HTTPClientRequest(url: url))
        #expect(next.text == "next")
      }
    }
  }

  @Test("closing aborts the transfer under way, refuses the next and is idempotent") func close() async throws {
    let gate = Gate()
    try await withServer(handler: { _ in
      await gate.pass()
      return .text("")
    }) { server in
      let client = HTTPClient(userAgent: "tests/1", timeout: .seconds(60))
      let request = HTTPClientRequest(url: "http://127.0.0.1:\(server.port)/")
      async let error = failure { () async throws(HTTPClientError) in try await client.send(request) }
      await gate.waitForArrival()
      client.close()
      client.close()
      #expect(await error?.kind == .cancelled)
      let next = await failure { () async throws(HTTPClientError) in try await client.send(request) }
      #expect(next?.kind == .closed)
      gate.open()
    }
  }

  @Test("a connection is used for several requests, of several methods and bodies") func reuse() async throws {
    // The script accepts one connection only.
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    let server = try ScriptedServer([answer + "ab", answer, answer + "ef", "HTTP/1.1 204 No Content\r\n\r\n"], closes: false)
    let url = "http://127.0.0.1:\(server.port)/"
    try await withClient { client in
      let answers = [
        try await client.send(HTTPClientRequest(url: url)), try await client.send(HTTPClientRequest(method: "HEAD", url: url)),
        try await client.send(HTTPClientRequest(method: "DELETE", url: url)),
        try await client.send(HTTPClientRequest(method: "POST", url: url)),
      ]
      #expect(answers.map(\.text) == ["ab", "", "ef", ""])
      #expect(answers.map(\.status) == [200, 200, 200, 204])
    }
  }

  @Test("an interim answer is not taken for the answer") func interim() async throws {
    let server = try ScriptedServer([
      "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Late: 1\r\nContent-Length: 0\r\n\r\n"
    ])
    let response = try await withClient { try await $0.send(HTTPClientRequest(url: "http://127.0.0.1:\(server.port)/")) }
    #expect(response.status == 200)
    #expect(response.headers["X-Early"] == nil)
    #expect(response.headers["X-Late"] == "1")
  }

  @Test("requests of many tasks all get their answers") func concurrency() async throws {
    try await withServer(handler: { .text($0.path) }) { server in
      let port = server.port
      try await withClient { client in
        let right = try await withThrowingTaskGroup(of: Bool.self) { group in
          for number in 0..<32 {
            group.addTask { try await client.send(HTTPClientRequest(url: "http://127.0.0.1:\(port)/\(number)")).text == "/\(number)" }
          }
          return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(right == 32)
      }
    }
  }

  @Test(
    "the kernel's reasons read as in the guide",
    arguments: [(EHOSTUNREACH, "[Errno 113] No route to host"), (ENETUNREACH, "[Errno 101] Network is unreachable")])
  func unreachable(_ code: Int32, _ text: String) {
    let error = HTTPClientError(code: CURLE_COULDNT_CONNECT, systemError: code, wasConnected: false, detail: "")
    #expect(error.kind == .connection(code))
    #expect(error.description == text)
  }
}
