import AMQP
import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// What the broker itself refuses an agent that has a valid credential, and whom it does not let in: the design's trust model, row by row,
/// against a real broker with the server's key.
@Suite struct TrustModelTests {
  private static let agent = "trust-a1"
  private static let client = "c.1"

  private struct Bench {
    let services: LocalServices
    let loop: EventLoop
    let address: AgentAddress
    let keys: KeyRing

    func credential(for address: AgentAddress, issuedAt: Timestamp = .now(), lifetime: Duration = .seconds(600)) throws -> String {
      try Credential.issue(
        for: address, virtualHost: services.virtualHost, key: keys.current, issuedAt: issuedAt, lifetime: lifetime
      ).token
    }

    func login(_ credential: String, user: String? = nil) async throws -> Connection {
      try await Connection.open(
        ConnectionConfiguration(
          host: services.host, port: services.port, virtualHost: services.virtualHost, username: user ?? address.username,
          password: credential,
          connectionName: "trust-model"), on: loop)
    }

    /// The agent's own queue and a sibling's, as the server declares them.
    func withQueues(_ body: (_ own: String, _ sibling: String, _ other: String) async throws -> Void) async throws {
      let server = try await Connection.open(
        ConnectionConfiguration(try BrokerURL(services.amqpURL, name: "AMQP_URL"), defaultVirtualHost: "/", connectionName: "server"),
        on: loop)
      let channel = try await server.openChannel()
      let names = [
        address.queueName(generation: 1), try AgentAddress(clientID: client, logicalAgentID: "trust-a2").queueName(generation: 1),
        try AgentAddress(clientID: "other", logicalAgentID: agent).queueName(generation: 1),
      ]
      for name in names {
        _ = try await channel.declareQueue(name)
        try await channel.bindQueue(name, to: Topology.commandsExchange, routingKey: name)
      }
      do {
        try await body(names[0], names[1], names[2])
      } catch {
        await server.close()
        throw error
      }
      for name in names { try await channel.deleteQueue(name) }
      await server.close()
    }
  }

  private func withBench(_ body: (Bench) async throws -> Void) async throws {
    let services = try await LocalServices.shared()
    let loop = EventLoop(name: "trust-loop")
    defer { loop.stop() }
    let address = try AgentAddress(clientID: Self.client, logicalAgentID: Self.agent)
    try await body(Bench(services: services, loop: loop, address: address, keys: try KeyRing(folder: services.keysDirectory)))
  }

  /// Runs one attempt on a channel of its own and gives the code with which the broker closed that channel.
  private func refusal(_ connection: Connection, _ attempt: (Channel) async throws -> Void) async throws -> Int? {
    let channel = try await connection.openChannel()
    try await channel.enableConfirms()
    do {
      try await attempt(channel)
      await channel.close()
      return nil
    } catch let error as AMQPError {
      if case .channelClosed(let code) = error.kind { return code }
      throw error
    }
  }

  private func publication(to exchange: String, _ key: String) -> Publication {
    Publication(Message(body: [0x7b, 0x7d]), to: exchange, routingKey: key)
  }

  @Test func agentMayPublishItsFiveKindsAndReadItsOwnQueue() async throws {
    try await withBench { bench in
      try await bench.withQueues { own, _, _ in
        let connection = try await bench.login(try bench.credential(for: bench.address))
        for kind in MessageKind.allCases {
          let code = try await refusal(connection) {
            var message = publication(to: Topology.inboxExchange, bench.address.routingKey(kind))
            // Nobody follows its output: the broker lets it in and drops it.
            message.mandatory = kind.queue != nil
            try await $0.publish(message)
          }
          #expect(code == nil, "\(kind)")
        }
        #expect(try await refusal(connection) { _ = try await $0.consume(own) } == nil)
        #expect(try await refusal(connection) { _ = try await $0.consume(Topology.replyToQueue, noAck: true) } == nil)
        await connection.close()
      }
    }
  }

  @Test func everythingElseIsRefusedWithAccessRefused() async throws {
    try await withBench { bench in
      try await bench.withQueues { own, sibling, other in
        let connection = try await bench.login(try bench.credential(for: bench.address))
        let siblingKey = try AgentAddress(clientID: Self.client, logicalAgentID: "trust-a2").routingKey(.heartbeat)
        let otherKey = try AgentAddress(clientID: "other", logicalAgentID: Self.agent).routingKey(.heartbeat)
        let attempts: [(String, (Channel) async throws -> Void)] = [
          ("publish with a sibling's key", { try await $0.publish(publication(to: Topology.inboxExchange, siblingKey)) }),
          ("publish with another client's key", { try await $0.publish(publication(to: Topology.inboxExchange, otherKey)) }),
          ("publish with a wildcard key", { try await $0.publish(publication(to: Topology.inboxExchange, "heartbeat.*.*")) }),
          ("publish to the default exchange", { try await $0.publish(publication(to: "", own)) }),
          ("publish to fleet.commands", { try await $0.publish(publication(to: Topology.commandsExchange, own)) }),
          ("publish to fleet.events", { try await $0.publish(publication(to: Topology.eventsExchange, Topology.commandsPendingKey)) }),
          ("publish to fleet.dead", { try await $0.publish(publication(to: Topology.deadExchange, "x")) }),
          ("read a sibling's queue", { _ = try await $0.consume(sibling) }),
          ("read another client's queue", { _ = try await $0.consume(other) }),
          ("read the heartbeats", { _ = try await $0.consume(Topology.heartbeatsQueue) }),
          ("read the dead letters", { _ = try await $0.consume(Topology.deadLettersQueue) }),
          ("declare a queue", { _ = try await $0.declareQueue("mine") }),
          ("declare its own queue's next generation", { _ = try await $0.declareQueue(bench.address.queueName(generation: 2)) }),
          ("declare an exchange", { try await $0.declareExchange("mine", kind: "topic") }),
          ("bind its queue", { try await $0.bindQueue(own, to: Topology.inboxExchange, routingKey: "heartbeat.#") }),
          ("delete its queue", { try await $0.deleteQueue(own) }),
          ("delete a sibling's queue", { try await $0.deleteQueue(sibling) }),
          ("purge the heartbeats", { try await $0.purgeQueue(Topology.heartbeatsQueue) }),
        ]
        for (what, attempt) in attempts {
          #expect(try await refusal(connection, attempt) == 403, "\(what)")
        }
        await connection.close()
      }
    }
  }

  @Test func forgedSenderIsRefused() async throws {
    try await withBench { bench in
      let connection = try await bench.login(try bench.credential(for: bench.address))
      var forged = publication(to: Topology.inboxExchange, bench.address.routingKey(.heartbeat))
      forged.message.userID = "c%2E1.trust-a2"
      let message = forged
      let code = try await refusal(connection) { try await $0.publish(message) }
      #expect(code == 406)
      await connection.close()
    }
  }

  @Test func forgedAndExpiredCredentialsAreNotLetIn() async throws {
    try await withBench { bench in
      let good = try bench.credential(for: bench.address)
      let parts = good.split(separator: ".").map(String.init)
      func encoded(_ json: String) -> String {
        Data(json.utf8).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
          .replacingOccurrences(of: "=", with: "")
      }
      let foreignFolder = NSTemporaryDirectory() + "foreign-keys-\(UUID().uuidString)"
      defer { try? FileManager.default.removeItem(atPath: foreignFolder) }
      _ = try KeyRing.createKey(bench.keys.current.keyID, folder: foreignFolder)
      let foreign = try KeyRing(folder: foreignFolder).current
      _ = try KeyRing.createKey("unknown-key", folder: foreignFolder + "/other")
      let unknown = try KeyRing(folder: foreignFolder + "/other").current
      defer { try? FileManager.default.removeItem(atPath: foreignFolder + "/other") }
      let hmac = try publicKeyHMAC(
        encoded("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"\(bench.keys.current.keyID)\"}") + "." + parts[1],
        key: bench.services.keysDirectory + "/\(bench.keys.current.keyID).public.pem")
      let now = Timestamp.now()
      let refused: [(String, String)] = [
        ("expired", try bench.credential(for: bench.address, issuedAt: now.advanced(by: .seconds(-700)), lifetime: .seconds(600))),
        (
          "another key under our key id",
          try Credential.issue(
            for: bench.address, virtualHost: bench.services.virtualHost, key: foreign, issuedAt: now, lifetime: .seconds(60)
          ).token
        ),
        (
          "unknown key id",
          try Credential.issue(
            for: bench.address, virtualHost: bench.services.virtualHost, key: unknown, issuedAt: now, lifetime: .seconds(60)
          ).token
        ),
        ("alg none", encoded("{\"alg\":\"none\",\"typ\":\"JWT\"}") + "." + parts[1] + "."),
        ("alg none with the signature kept", encoded("{\"alg\":\"none\",\"typ\":\"JWT\"}") + "." + parts[1] + "." + parts[2]),
        ("HS256 keyed with the public key", hmac),
        (
          "claims changed under the signature",
          parts[0] + "."
            + encoded("{\"aud\":\"spot-optimizer\",\"exp\":4102444800,\"sub\":\"x\",\"scope\":[\"spot-optimizer.configure:*/*\"]}") + "."
            + parts[2]
        ),
        ("foreign audience", try foreignAudience(bench)),
        ("no token at all", "password"), ("empty", ""),
      ]
      for (what, credential) in refused {
        let error = await #expect(throws: AMQPError.self, "\(what)") { try await bench.login(credential).close() }
        #expect(error?.kind == .loginRefused, "\(what): \(error.map(String.init(describing:)) ?? "let in")")
      }
      await (try bench.login(good)).close()
    }
  }

  /// HS256 with the public key's file as its secret: the classic confusion of algorithms.
  private func publicKeyHMAC(_ input: String, key: String) throws -> String {
    let script = """
      import base64, hashlib, hmac, sys
      mac = hmac.new(open(sys.argv[1], 'rb').read(), sys.argv[2].encode(), hashlib.sha256).digest()
      print(sys.argv[2] + '.' + base64.urlsafe_b64encode(mac).decode().rstrip('='))
      """
    return try python(script, key, input)
  }

  /// Signed by our key, for somebody else's resource server.
  private func foreignAudience(_ bench: Bench) throws -> String {
    let script = """
      import base64, json, subprocess, sys, time
      def part(value): return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip('=')
      head = part({'alg': 'RS256', 'typ': 'JWT', 'kid': sys.argv[2]})
      body = part({'aud': 'somebody-else', 'sub': sys.argv[3], 'exp': int(time.time()) + 600, 'scope': ['somebody-else.read:*/*']})
      signature = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', sys.argv[1]], input=(head + '.' + body).encode(), capture_output=True, check=True).stdout
      print(head + '.' + body + '.' + base64.urlsafe_b64encode(signature).decode().rstrip('='))
      """
    let kid = bench.keys.current.keyID
    return try python(script, bench.services.keysDirectory + "/\(kid).private.pem", kid, bench.address.username)
  }

  private func python(_ script: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return text.trimmingWhitespace()
  }
}
