import FleetProtocol
import Foundation
import Testing

/// `broker/asyncapi.yaml` is what authors of other agents work from: it is held against the code here, word by word.
@Suite("broker/asyncapi.yaml says what the code does") struct AsyncAPITests {
  let document: Node
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("broker/asyncapi.yaml").path

  /// Read once for all tests: PyYAML takes seconds for it on a busy machine.
  private static let loaded = Result {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1], encoding='utf-8')), sys.stdout)"
    let text = try run("python3", ["-c", script, path])
    return Node(value: try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)), path: "asyncapi.yaml")
  }

  init() throws { document = try Self.loaded.get() }

  /// What the code has under each name: a full message, and its decoder.
  struct Kind {
    let name: String
    let full: [UInt8]
    let decode: @Sendable ([UInt8]) throws -> Void

    init<Message: WireMessage>(_ name: String, _ full: Message) throws {
      self.name = name
      self.full = try WireCoding.encode(full)
      decode = { _ = try WireCoding.decode(Message.self, from: $0) }
    }

    init<Message: FleetMessage>(_ full: Message) throws { try self.init(Message.type.rawValue, full) }
  }

  /// The examples of a message with what lies beside them in `x-on-the-wire`.
  func signedExamples(_ type: MessageType) throws -> [(example: Node, wire: Node)] {
    let message = try document["components"]["messages"][type.rawValue]
    let examples = try message["examples"].items()
    let wires = try message["x-on-the-wire"].items()
    try #require(examples.count == wires.count)
    return Array(zip(examples, wires))
  }

  static func kinds() throws -> [Kind] {
    try [
      Kind(Samples.registration), Kind(Samples.registered), Kind(Samples.probe), Kind(Samples.probed), Kind(Samples.heartbeat),
      Kind(Samples.command), Kind(Samples.result),
      Kind(Samples.cancellation), Kind(Samples.progress), Kind(Samples.output), Kind(Samples.spotNotice), Kind(Samples.notice),
      Kind("credential-request", Samples.credentialRequest), Kind("credential-reply", Samples.credentialReply()),
    ]
  }

  @Test("Every message of the code is described, and none else") func messages() throws {
    let described = try document["components"]["messages"].keys()
    // What subscribers get is the server's alone; its tests hold the types of events against the page.
    #expect(described == Set(MessageType.allCases.map(\.rawValue)).union(["credential-request", "credential-reply", "event"]))
    #expect(described == Set(try Self.kinds().map(\.name)).union(["event"]))
    for name in described {
      #expect(try document["components"]["messages"][name]["name"].text() == name)
      let messageType = try? document["components"]["messages"][name]["bindings"]["amqp"]["messageType"].text()
      #expect(messageType == MessageType(rawValue: name)?.rawValue)
    }
  }

  @Test("A schema has the fields that the encoder writes, and requires those that the decoder requires") func schemas() throws {
    let schemas = try document["components"]["schemas"]
    for kind in try Self.kinds() + [Kind("config", AgentConfiguration())] {
      let schema = try schemas[kind.name]
      let full = try JSONDecoder().decode([String: JSONValue].self, from: Data(kind.full))
      #expect(try schema["properties"].keys() == Set(full.keys), "\(kind.name)")
      var required: Set<String> = []
      for field in full.keys {
        var without = full
        without[field] = nil
        // Whether it decodes is the question; that it fails for this field and no other reason is asked below.
        do { try kind.decode(try WireCoding.encodeJSON(JSONValue.object(without))) } catch let error as MessageError {
          #expect(error.description == "\(field) is missing", "\(kind.name)")
          required.insert(field)
        }
      }
      #expect(Set(try schema["required"].items().map { try $0.text() }) == required, "\(kind.name)")
    }
  }

  @Test("Words that a field may have are the code's") func enumerations() throws {
    let schemas = try document["components"]["schemas"]
    func words(_ schema: String, _ field: String) throws -> Set<String> {
      Set(try schemas[schema]["properties"][field]["enum"].items().filter { $0.value != .null }.map { try $0.text() })
    }
    #expect(try words("heartbeat", "status") == Set(AgentStatus.allCases.map(\.rawValue)))
    #expect(try words("heartbeat", "mode") == Set(InstanceMode.allCases.map(\.rawValue)))
    #expect(try words("register", "mode") == Set(InstanceMode.allCases.map(\.rawValue)))
    #expect(try words("probed", "outcome") == Set(RegistrationProbeReply.Outcome.allCases.map(\.rawValue)))
    #expect(try words("probed", "status") == Set(AgentStatus.allCases.map(\.rawValue)))
    #expect(try words("result", "status") == Set(CommandResult.Outcome.allCases.map(\.rawValue)))
    #expect(try words("progress", "stage") == Set(CommandProgress.Stage.allCases.map(\.rawValue)))
    #expect(try words("output", "stream") == Set(CommandOutput.Stream.allCases.map(\.rawValue)))
    #expect(try words("notice", "kind") == Set(SpotNotice.Kind.allCases.map(\.rawValue)))
    let description = try document["components"]["messages"]["error"]["description"].text()
    for status in ErrorStatus.allCases {
      #expect(description.contains("\(status.code)") && description.contains(status.text))
    }
    let kinds = try schemas["credential-reply"]["properties"]["routing_keys"]["required"].items().map { try $0.text() }
    #expect(Set(kinds) == Set(MessageKind.allCases.map(\.rawValue)))
  }

  @Test("Defaults of the configuration are the code's") func defaults() throws {
    let defaults = try JSONDecoder().decode([String: JSONValue].self, from: Data(WireCoding.encode(AgentConfiguration())))
    for (key, value) in defaults {
      #expect(try document["components"]["schemas"]["config"]["properties"][key]["default"].value == value, "\(key)")
    }
  }

  @Test("Every example is decoded by the code, and its body is its payload") func examples() throws {
    for kind in try Self.kinds() {
      let examples = try document["components"]["messages"][kind.name]["examples"].items()
      #expect(!examples.isEmpty, "\(kind.name)")
      for example in examples {
        let payload = try example["payload"].value
        #expect(throws: Never.self, "\(kind.name)") { try kind.decode(try WireCoding.encodeJSON(payload)) }
      }
      guard let type = MessageType(rawValue: kind.name) else { continue }
      for (example, wire) in try signedExamples(type) {
        let body = bytes(try wire["body"].text())
        #expect(throws: Never.self, "\(kind.name)") { try kind.decode(body) }
        #expect(try WireCoding.decodeJSON(JSONValue.self, from: body) == example["payload"].value, "\(kind.name)")
      }
    }
  }

  @Test("Every example's signature holds with the documented token, and with no other") func signatures() throws {
    let key = try SigningKey(clientToken: try document["info"]["x-example-client-token"].text())
    let other = try SigningKey(clientToken: "another-token")
    for type in MessageType.allCases {
      for (example, wire) in try signedExamples(type) {
        let properties = try wire["properties"]
        let envelope = SignedEnvelope(
          type: try properties["type"].text(), messageID: try properties["message_id"].text(),
          timestamp: try properties["timestamp"].whole(),
          routingKey: try wire["routing-key"].text(), body: bytes(try wire["body"].text()),
          signature: try example["headers"][SignedEnvelope.signatureHeader].text(),
          version: try example["headers"][SignedEnvelope.versionHeader].whole())
        #expect(envelope.type == type.rawValue)
        #expect(throws: Never.self, "\(type)") { try envelope.verify(with: key) }
        #expect(throws: SignatureError.mismatch, "\(type)") { try envelope.verify(with: other) }
        switch type {
        case .register, .heartbeat, .result, .output, .notice:
          #expect(try AgentAddress.parse(routingKey: envelope.routingKey).kind.rawValue == type.rawValue)
        case .probe: #expect(try AgentAddress.parse(routingKey: envelope.routingKey).kind == .register)
        case .progress: #expect(try AgentAddress.parse(routingKey: envelope.routingKey).kind == .result)
        case .command, .cancel:
          #expect(try AgentAddress.parse(queueName: envelope.routingKey).address.clientID == "c1")
        case .registered, .probed, .error:
          #expect(envelope.routingKey == SignedEnvelope.replyRoutingKey(to: try properties["correlation_id"].text()))
        }
      }
    }
  }

  @Test("The Python of the page makes the signatures of the page") func pythonOfThePage() throws {
    let description = try document["info"]["description"].text()
    let start = try #require(description.range(of: "    import hmac"))
    let code = description[start.lowerBound...].split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("    ") }
      .map { $0.dropFirst(4) }.joined(separator: "\n")
    let (example, wire) = try #require(try signedExamples(.heartbeat).first)
    let properties = try wire["properties"]
    let call = "\nimport sys\nprint(sign(sys.argv[1], 'heartbeat', sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5].encode()))"
    let output = try run(
      "python3",
      [
        "-c", code + call, try document["info"]["x-example-client-token"].text(), try properties["message_id"].text(),
        "\(try properties["timestamp"].whole())", try wire["routing-key"].text(), try wire["body"].text(),
      ])
    #expect(output.trimmingCharacters(in: .whitespacesAndNewlines) == (try example["headers"]["signature"].text()))
  }

  @Test("Names of the topology and limits are the code's") func topology() throws {
    let topology = try document["x-topology"]
    #expect(try topology["vhost"].text() == Topology.defaultVirtualHost)
    #expect(try topology["exchanges"].keys() == Set(Topology.exchanges.map(\.name)))
    for exchange in Topology.exchanges { #expect(try topology["exchanges"][exchange.name].text() == exchange.kind.rawValue) }
    #expect(try topology["queues"].items().map { try $0.text() } == Topology.serverQueues)
    let bindings = try topology["bindings"].items().map {
      [try $0["queue"].text(), try $0["exchange"].text(), try $0["routing-key"].text()]
    }
    #expect(Set(bindings) == Set(Topology.bindings.map { [$0.queue, $0.exchange, $0.routingKey] }))
    #expect(try topology["agent-queue"]["expires-milliseconds"].whole() == Topology.agentQueueExpiryMilliseconds)
    #expect(try topology["agent-queue"]["priorities"].whole() == Topology.queuePriorities)
    #expect(try topology["agent-queue"]["exchange"].text() == Topology.commandsExchange)
    #expect(try topology["dispatcher-wake-up"]["exchange"].text() == Topology.eventsExchange)
    #expect(try topology["dispatcher-wake-up"]["routing-key"].text() == Topology.commandsPendingKey)
    #expect(try document["info"]["x-limits"]["body-bytes"].whole() == Int64(MessageLimits.bodyBytes))
    #expect(try document["info"]["x-limits"]["result-body-bytes"].whole() == Int64(MessageLimits.resultBodyBytes))
    #expect(try document["info"]["x-limits"]["nesting"].whole() == Int64(MessageLimits.nesting))
    #expect(try document["info"]["x-limits"]["name-bytes"].whole() == Int64(SignedEnvelope.longestName))

    for name in try document["channels"].keys() {
      let channel = try document["channels"][name]
      guard let amqp = try? channel["bindings"]["amqp"] else { continue }
      if try amqp["is"].text() == "routingKey" {
        let exchange = try #require(Topology.exchanges.first { (try? amqp["exchange"]["name"].text()) == $0.name })
        #expect(try amqp["exchange"]["type"].text() == exchange.kind.rawValue)
      } else {
        #expect(try amqp["queue"]["name"].text() == channel["address"].text())
      }
    }
    for kind in MessageKind.allCases {
      #expect(try document["channels"][kind.rawValue]["address"].text() == "\(kind.rawValue).{client}.{agent}")
    }
  }

  @Test("Every reference leads somewhere") func references() throws {
    func visit(_ value: JSONValue) throws {
      switch value {
      case .object(let members):
        if case .string(let reference)? = members["$ref"] {
          var node = document
          for step in reference.dropFirst(2).split(separator: "/") { node = try node[String(step)] }
        }
        for member in members.values { try visit(member) }
      case .array(let items): for item in items { try visit(item) }
      default: break
      }
    }
    try visit(document.value)
  }

  @Test("Examples hold against their schemas by an independent validator, where Python has one") func validated() throws {
    let script = """
      import sys, yaml
      try:
          import jsonschema
      except ImportError:
          print("no jsonschema"); sys.exit(0)
      page = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
      resolver = jsonschema.RefResolver("", page)
      count = 0
      for name, message in page["components"]["messages"].items():
          for example in message["examples"]:
              for part in ("payload", "headers"):
                  if part in message and part in example:
                      jsonschema.Draft202012Validator(message[part], resolver=resolver).validate(example[part])
                      count += 1
      print("validated", count)
      """
    let output = try run("python3", ["-W", "ignore", "-c", script, Self.path])
    #expect(output.contains("no jsonschema") || output.contains("validated 33"))
  }
}

/// A place in the document, for reading it with errors that say where something is missing.
struct Node {
  let value: JSONValue
  let path: String

  struct Missing: Error { let what: String }

  subscript(key: String) -> Node {
    get throws {
      guard let member = value[key] else { throw Missing(what: "\(path).\(key)") }
      return Node(value: member, path: "\(path).\(key)")
    }
  }

  func keys() throws -> Set<String> {
    guard case .object(let members) = value else { throw Missing(what: "object at \(path)") }
    return Set(members.keys)
  }

  func items() throws -> [Node] {
    guard case .array(let items) = value else { throw Missing(what: "array at \(path)") }
    return items.enumerated().map { Node(value: $1, path: "\(path)[\($0)]") }
  }

  func text() throws -> String {
    guard case .string(let text) = value else { throw Missing(what: "text at \(path)") }
    return text
  }

  func whole() throws -> Int64 {
    guard case .int(let number) = value else { throw Missing(what: "whole number at \(path)") }
    return number
  }
}
