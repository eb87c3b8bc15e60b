import FleetProtocol
import HTTP
import HTTPServing
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// The front over real HTTP, on a real database.
@Suite struct FrontTests {
  /// A front that runs, and what a test wants to look at.
  private struct Fixture: Sendable {
    let database: FleetDatabase
    let client: HTTPClient
    let port: Int
    let broker: Lock<BrokerState>
    let lines: Lock<[String]>

    func send(
      _ method: String, _ path: String, token: String? = nil, header: String? = nil, body: String = ""
    ) async throws -> (status: Int, body: JSONValue, headers: HTTPHeaders) {
      var headers: HTTPHeaders = ["Content-Type": "application/json"]
      headers["Authorization"] = header ?? token.map { "Bearer \($0)" }
      let request = HTTPClientRequest(method: method, url: "http://127.0.0.1:\(port)\(path)", headers: headers, body: Array(body.utf8))
      let response = try await client.send(request)
      let value = response.body.isEmpty ? JSONValue.null : try WireCoding.decodeJSON(JSONValue.self, from: response.body)
      return (response.status, value, response.headers)
    }

    func logged(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }
  }

  private func withFront(
    login: LocalServices.DatabaseLogin? = nil, _ body: @escaping @Sendable (Fixture) async throws -> Void
  ) async throws {
    let keys = try await LocalServices.shared().keysDirectory
    try await FleetDatabase.with { database in
      let lines = Lock<[String]>([])
      let logger = Logger(level: .debug) { line in lines.withLock { $0.append(line) } }
      let broker = Lock(BrokerState.connected)
      let terms = CredentialDesk.Terms(
        brokers: ["amqp://broker:5672"], virtualHost: "spot-optimizer", lifetime: .seconds(3600), heartbeatInterval: .seconds(30))
      let front = try Front(
        HTTPServerConfiguration(port: 0),
        Front.Parts(
          pool: database.pool, credentials: try CredentialDesk(keysDirectory: keys, terms: terms, logger: logger),
          authFailures: AuthFailureRecorder(database.events, logger: logger), clock: FleetClock(database.pool, logger: logger),
          broker: { broker.withLock { $0 } }, logger: logger))
      let client = HTTPClient(userAgent: "test")
      defer { client.close() }
      let fixture = Fixture(database: database, client: client, port: front.port, broker: broker, lines: lines)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await front.run() }
        group.addTask {
          try await body(fixture)
          await front.stop()
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func healthSaysWhatIsAwayAndComesBack() async throws {
    try await withFront { front in
      let health = try await front.send("GET", "/health")
      #expect(health.status == 200 && health.body["status"] == "healthy")
      #expect(health.body["database"] == "connected" && health.body["broker"] == "connected" && health.body["version"] != nil)
      guard case .string(let time)? = health.body["timestamp"], Timestamp(text: time) != nil else {
        Issue.record("no timestamp in \(health.body)")
        return
      }
      let head = try await front.send("HEAD", "/health")
      #expect(head.status == 200 && head.body == .null)
      front.broker.withLock { $0 = .disconnected(reason: "guest@secret-host refused") }
      // At once: an agent that starts now goes by this answer.
      let sick = try await front.send("GET", "/health")
      #expect(
        sick.status == 503 && sick.body["status"] == "unhealthy" && sick.body["broker"] == "disconnected"
          && sick.body["error"] == "Broker unavailable")
      #expect(!"\(sick.body)".contains("secret-host"), "anybody may read /health")
      try await eventually("the log says why") { front.logged("guest@secret-host refused") }
      front.broker.withLock { $0 = .connected }
      let well = try await front.send("GET", "/health")
      #expect(well.status == 200)
    }
  }

  @Test func aCredentialIsGivenForTheTokensClient() async throws {
    try await withFront { front in
      let client = try await front.database.clients.create(id: "c1", name: "One", email: nil)
      let answer = try await front.send(
        "POST", "/api/broker/credentials", header: "bearer   \(client.account.token)  ", body: #"{"logical_agent_id":"a.1"}"#)
      #expect(answer.status == 200 && answer.headers["Cache-Control"] == "no-store")
      #expect(answer.body["client_id"] == "c1" && answer.body["username"] == "c1.a%2E1" && answer.body["vhost"] == "spot-optimizer")
      #expect(answer.body["brokers"] == ["amqp://broker:5672"] && answer.body["heartbeat_interval_seconds"] == 30)
      guard case .string(let token)? = answer.body["credential"] else {
        Issue.record("no credential")
        return
      }
      #expect(try CredentialClaims(unverified: token).subject == "c1.a%2E1")
      #expect(!front.logged(token) && !front.logged(client.account.token), "secrets stay out of the log")
    }
  }

  @Test func refusalsReadAsInTheGuide() async throws {
    try await withFront { front in
      let client = try await front.database.clients.create(id: "c1", name: "One", email: nil)
      let path = "/api/broker/credentials"
      for header in [nil, "", "Bearer", "Bearer  ", "Basic abc", client.account.token] {
        let answer = try await front.send("POST", path, header: header, body: "{}")
        #expect(answer.status == 401 && answer.body == ["error": "Missing client token"], "\(header ?? "none")")
      }
      let wrong = try await front.send("POST", path, token: "abc12345-wrong-token-xyz9", body: "{}")
      #expect(wrong.status == 401 && wrong.body == ["error": "Invalid client token"])
      #expect(front.logged("WARNING - Invalid client token attempt - token: abc12345...xyz9, endpoint: /api/broker/credentials"))
      _ = try await front.database.clients.setActive(false, id: "c1")
      let inactive = try await front.send("GET", "/api/agents/test-id/config", token: client.account.token)
      #expect(inactive.status == 403 && inactive.body == ["error": "Client account is not active"])
      let events = try await front.database.sql("SELECT * FROM system_events WHERE event_type = 'auth_failed' ORDER BY id")
      // One a minute, source and reason, and all of these come from one address.
      #expect(try events.allSatisfy { try $0.string("source") == "127.0.0.1" })
      let words = try events.map { String(try $0.string("message").prefix { $0 != "-" }) }
      #expect(words == ["Missing client token attempt ", "Invalid client token attempt ", "Client account is not active attempt "])
    }
  }

  @Test func badBodiesAreNamedFieldByField() async throws {
    try await withFront { front in
      let token = try await front.database.clients.create(id: "c1", name: "One", email: nil).account.token
      let long = String(repeating: "x", count: 241)
      let bodies: [(String, String)] = [
        ("", "body"), ("{", "body"), ("[]", "body"), ("{}", "logical_agent_id"), (#"{"logical_agent_id":null}"#, "logical_agent_id"),
        (#"{"logical_agent_id":7}"#, "logical_agent_id"), (#"{"logical_agent_id":""}"#, "logical_agent_id"),
        (#"{"logical_agent_id":"\#(long)"}"#, "logical_agent_id"),
        (#"{"logical_agent_id":"\#(String(repeating: "ü", count: 60))"}"#, "logical_agent_id"),
        (#"{"logical_agent_id":"a\nb"}"#, "logical_agent_id"), (String(repeating: "[", count: 5000), "body"),
      ]
      for (body, field) in bodies {
        let answer = try await front.send("POST", "/api/broker/credentials", token: token, body: body)
        #expect(answer.status == 400 && answer.body["error"] == "Validation failed", "\(body.prefix(40))")
        guard case .array(let problems)? = answer.body["details"]?[field] else {
          Issue.record("\(body.prefix(40)): \(answer.body)")
          continue
        }
        #expect(problems.count == 1)
      }
    }
  }

  @Test func anAgentsConfigurationIsForItsClientOnly() async throws {
    try await withFront { front in
      let mine = try await front.database.clients.create(id: "c1", name: "One", email: nil).account.token
      let other = try await front.database.clients.create(id: "c2", name: "Two", email: nil).account.token
      let agent = try await front.database.register("a1")
      _ = try await front.database.agents.configure(try ConfigurationChanges(parsing: ["replica_count=2"]), agents: [agent.key])
      let answer = try await front.send("GET", "/api/agents/\(agent.id)/config", token: mine)
      #expect(answer.status == 200 && answer.body["replica_count"] == 2 && answer.body["terminate_wait_seconds"] == 300)
      for (id, token) in [("test-id", mine), (agent.id, other), ("%27%20OR%201=1", mine)] {
        let missing = try await front.send("GET", "/api/agents/\(id)/config", token: token)
        #expect(missing.status == 404 && missing.body == ["error": "Agent not found"])
      }
      try await front.database.sql("UPDATE agents SET config = '{'")
      #expect(try await front.send("GET", "/api/agents/\(agent.id)/config", token: mine).status == 500)
      #expect(front.logged("agents.config"))
    }
  }

  @Test func unknownPathsAndMethodsAreToldApart() async throws {
    try await withFront { front in
      for path in ["/", "/api", "/api/agents", "/api/agents//config", "/healthy", "/api/broker/credentials/x"] {
        let answer = try await front.send("GET", path)
        #expect(answer.status == 404 && answer.body == ["error": "Not found"], "\(path)")
      }
      let wrong = try await front.send("GET", "/api/broker/credentials")
      #expect(wrong.status == 405 && wrong.headers["Allow"] == "POST")
      #expect(try await front.send("DELETE", "/health").headers["Allow"] == "GET, HEAD")
    }
  }

  @Test func withoutTheDatabaseEverythingSaysSoAndRecovers() async throws {
    let services = try await LocalServices.separate()
    do {
      let login = try await services.createDatabase()
      let pool = Pool(configuration: FleetDatabase.configuration(login), size: 3)
      _ = try await Migrator(pool).migrate(Schema.migrations)
      let logger = Logger(level: .error) { _ in }
      let terms = CredentialDesk.Terms(
        brokers: ["amqp://b:1"], virtualHost: "v", lifetime: .seconds(60), heartbeatInterval: .seconds(30))
      let front = try Front(
        HTTPServerConfiguration(port: 0),
        Front.Parts(
          pool: pool, credentials: try CredentialDesk(keysDirectory: services.keysDirectory, terms: terms, logger: logger),
          authFailures: AuthFailureRecorder(SystemEventStore(pool), logger: logger), clock: FleetClock(pool, logger: logger),
          broker: { .connected }, logger: logger))
      let client = HTTPClient(userAgent: "test")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await front.run() }
        group.addTask {
          func status(_ path: String) async throws -> Int {
            try await client.send(
              HTTPClientRequest(url: "http://127.0.0.1:\(front.port)\(path)", headers: ["Authorization": "Bearer some-token-of-a-client"])
            ).status
          }
          #expect(try await status("/health") == 200)
          #expect(try await status("/api/agents/x/config") == 401)
          try await services.stopDatabase()
          try await eventually("/health answers 503") { try await status("/health") == 503 }
          let started = ContinuousClock.now
          #expect(try await status("/health") == 503)
          // Less than a pool's wait for a connection.
          #expect(started.duration(to: .now) < .seconds(8))
          #expect(try await status("/api/agents/x/config") == 503)
          try await services.startDatabase()
          try await eventually("/health answers 200") { try await status("/health") == 200 }
          #expect(try await status("/api/agents/x/config") == 401)
          await front.stop()
        }
        try await group.waitForAll()
      }
      client.close()
      await pool.close()
      try await services.stop()
    } catch {
      try await services.stop()
      throw error
    }
  }

  @Test func routesAreAFunctionOfMethodAndPath() {
    func route(_ method: String, _ target: String) -> Route {
      HTTPRequest(method: method, target: target).map { Route(method: $0.method, segments: $0.pathSegments) } ?? .notFound
    }
    #expect(route("GET", "/health") == .health)
    #expect(route("HEAD", "/health/?x=1") == .health)
    #expect(route("POST", "/health") == .methodNotAllowed(allow: "GET, HEAD"))
    #expect(route("GET", "/metrics") == .metrics && route("HEAD", "/metrics/") == .metrics)
    #expect(route("POST", "/metrics") == .methodNotAllowed(allow: "GET, HEAD"))
    #expect(route("POST", "/api/broker/credentials") == .brokerCredentials)
    #expect(route("GET", "/api/agents/a%2Fb/config") == .agentConfiguration(agentID: "a/b"))
    #expect(route("GET", "/api/agents/a/b/config") == .notFound)
    #expect(route("get", "/health") == .methodNotAllowed(allow: "GET, HEAD"))
  }
}
