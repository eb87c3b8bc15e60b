import ServiceRuntime
import Testing

@testable import HTTP
@testable import HTTPServing

@Suite("HTTP server", .timeLimit(.minutes(15)))
struct HTTPServerTests {
  private static let echo: HTTPServer.Handler = { request in
    .text("\(request.method) \(request.path) \(request.query.sorted { $0.key < $1.key }) \(request.body.count) \(request.remoteAddress)")
  }

  @Test("a handler sees method, path, query, headers, body and the client's address") func request() async throws {
    let seen = Lock<HTTPRequest?>(nil)
    try await withServer(handler: { request in
      seen.withLock { $0 = request }
      return .json(201, Array("{}".utf8))
    }) { server in
      let response = try await withClient { client in
        try await client.send(
          HTTPClientRequest(
            method: "POST", url: "http://127.0.0.1:\(server.port)/a%20b?c=d+e", headers: ["Authorization": "Bearer t", "X-Empty": ""],
            body: Array("hello".utf8)))
      }
      #expect(response.status == 201)
      #expect(response.headers["content-type"] == "application/json")
      #expect(response.text == "{}")
    }
    let request = try #require(seen.withLock { $0 })
    #expect(request.method == "POST")
    #expect(request.path == "/a b")
    #expect(request.query == ["c": "d e"])
    #expect(request.headers["authorization"] == "Bearer t")
    #expect(request.headers["x-empty"] == "")
    #expect(request.headers["user-agent"] == "tests/1")
    #expect(request.headers["content-type"] == nil)
    #expect(request.body == Array("hello".utf8))
    #expect(request.remoteAddress == "127.0.0.1")
  }

  @Test("the answer to HEAD keeps its Content-Length and loses its body") func head() async throws {
    try await withServer(handler: { _ in .text("12345") }) { server in
      let answer = await RawSocket.exchange("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 200"))
      #expect(answer.contains("Content-Length: 5\r\n"))
      #expect(answer.hasSuffix("\r\n\r\n"))
      let response = try await withClient { try await $0.send(HTTPClientRequest(method: "HEAD", url: "http://127.0.0.1:\(server.port)/")) }
      #expect(response.status == 200)
      #expect(response.body.isEmpty)
    }
  }

  @Test("one connection carries several requests") func keepAlive() async throws {
    try await withServer(handler: Self.echo) { server in
      let port = server.port
      let answers = await onOwnThread {
        let socket = RawSocket(port: port)
        return ["/one", "/two", "/three"].map { path in
          socket.write("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
          return socket.read(until: "127.0.0.1")
        }
      }
      #expect(answers.map { $0.contains("200 OK") } == [true, true, true])
      #expect(answers[2].contains("GET /three"))
    }
  }

  @Test("an answer may end its connection") func closing() async throws {
    let handler: HTTPServer.Handler = { _ in
      var response = HTTPResponse(status: 200, body: Array("bye".utf8))
      response.closesConnection = true
      return response
    }
    try await withServer(handler: handler) { server in
      let answer = await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n", port: server.port)
      #expect(answer.contains("Connection: close") && answer.hasSuffix("bye"))
    }
  }

  @Test("requests sent without waiting are answered in order") func pipelining() async throws {
    try await withServer(handler: Self.echo) { server in
      let answer = await RawSocket.exchange(
        "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      let paths = answer.split(whereSeparator: \.isWhitespace).filter { $0.hasPrefix("/") }
      #expect(paths == ["/first", "/second"])
    }
  }

  @Test("a chunked body arrives whole") func chunked() async throws {
    try await withServer(handler: { .text(String(decoding: $0.body, as: UTF8.self)) }) { server in
      let answer = await RawSocket.exchange(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        port: server.port)
      #expect(answer.hasSuffix("abcde"))
    }
  }

  @Test("many requests at once are all answered, each with its own answer") func concurrency() async throws {
    try await withServer(handler: { request in
      await Task.yield()
      return .text(request.path)
    }) { server in
      let port = server.port
      let right = await withTaskGroup(of: Bool.self) { group in
        for number in 0..<64 {
          group.addTask {
            let answer = await RawSocket.exchange("GET /\(number) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: port)
            return answer.hasSuffix("\r\n\r\n/\(number)")
          }
        }
        return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(right == 64)
    }
  }

  @Test(
    "a target that cannot be decoded is answered 400 in JSON",
    arguments: ["/%zz", "/a%00b", "/%ff", "/?q=%", "*", "/a b c"]) func badTarget(_ target: String) async throws
  {
    try await withServer(handler: { _ in
      Issue.record("a handler saw it")
      return .text("")
    }) { server in
      let answer = await RawSocket.exchange("GET \(target) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 400"))
      #expect(answer.contains("Content-Type: application/json"))
      #expect(answer.contains(#"{"error":""#))
    }
  }

  @Test(
    "broken bytes do not disturb the server",
    arguments: [
      "\r\n\r\n\r\n", "GET\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "GET /\u{0}x HTTP/1.1\r\nHost: a\r\n\r\n",
    ]) func broken(_ bytes: String) async throws
  {
    try await withServer({ $0.clientTimeout = .milliseconds(300) }, handler: Self.echo) { server in
      let answer = await RawSocket.exchange(bytes, port: server.port)
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1."))
      let next = await RawSocket.exchange("GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      #expect(next.hasPrefix("HTTP/1.1 200"))
    }
  }

  @Test("an answer with a line break in a header becomes 500") func unsendableAnswer() async throws {
    try await withServer(handler: { _ in HTTPResponse(status: 200, headers: ["X": "a\r\nY: b"]) }) { server in
      let answer = await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: server.port)
      #expect(answer.hasPrefix("HTTP/1.1 500"))
      #expect(answer.hasSuffix(#"{"error":"Internal server error"}"#))
    }
  }

  @Test("a client that goes away in the middle disturbs nobody", arguments: ["head", "body", "handling"]) func abort(_ stage: String)
    async throws
  {
    let gate = Gate()
    try await withServer(handler: { request in
      if request.path == "/wait" { await gate.pass() }
      return .text("fine")
    }) { server in
      let port = server.port
      let socket = await onOwnThread {
        let socket = RawSocket(port: port)
        switch stage {
        case "head": socket.write("GET /wait HTT")
        case "body": socket.write("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
        default: socket.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        }
        return Optional(socket)
      }
      if stage == "handling" { await gate.waitForArrival() }
      var abandoned = socket
      abandoned = nil
      _ = abandoned
      gate.open()
      let answer = await RawSocket.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", port: port)
      #expect(answer.hasSuffix("fine"))
    }
  }

  @Test("an occupied port is refused with address, port and remedy") func occupiedPort() throws {
    let first = try ListeningSocket(address: "127.0.0.1", port: 0)
    let error = #expect(throws: HTTPServerError.self) {
      try HTTPServer(HTTPServerConfiguration(port: first.port)) { _ in .text("") }
    }
    #expect(error?.kind == .addressInUse)
    #expect(error?.description.contains("127.0.0.1:\(first.port)") == true)
    #expect(error?.description.contains("choose another port") == true)
  }

  @Test("an address that is none, or not of this machine, is refused with its remedy", arguments: ["localhost", "", "1.2.3", "192.0.2.1"])
  func badAddress(_ address: String) {
    let error = #expect(throws: HTTPServerError.self) {
      try HTTPServer(HTTPServerConfiguration(address: address, port: 0)) { _ in .text("") }
    }
    #expect(error?.kind == .invalidAddress)
    #expect(error?.description.contains("0.0.0.0") == true)
  }

  @Test("a port out of range is refused", arguments: [-1, 65536]) func badPort(_ port: Int) {
    let error = #expect(throws: HTTPServerError.self) { try HTTPServer(HTTPServerConfiguration(port: port)) { _ in .text("") } }
    #expect(error?.description.contains("\(port)") == true)
  }

  @Test("it listens on IPv6 and names an IPv6 client") func ipv6() async throws {
    try await withServer({ $0.address = "::1" }, handler: Self.echo) { server in
      let response = try await withClient { try await $0.send(HTTPClientRequest(url: "http://[::1]:\(server.port)/x")) }
      #expect(response.text == "GET /x [] 0 ::1")
    }
  }
}
