import FleetProtocol
import ServiceRuntime
import Testing

@Suite("Messages on the wire") struct WireMessageTests {
  private func roundTrip<Message: WireMessage>(_ message: Message) throws {
    #expect(try WireCoding.decode(Message.self, from: WireCoding.encode(message)) == message)
  }

  @Test("Every message survives the way with every field filled") func roundTrips() throws {
    try roundTrip(Samples.registration)
    try roundTrip(Samples.registered)
    try roundTrip(Samples.probe)
    try roundTrip(Samples.probed)
    try roundTrip(Samples.heartbeat)
    try roundTrip(Samples.command)
    try roundTrip(Samples.result)
    try roundTrip(Samples.cancellation)
    try roundTrip(Samples.progress)
    try roundTrip(Samples.output)
    try roundTrip(Samples.spotNotice)
    try roundTrip(Samples.notice)
    try roundTrip(Samples.credentialRequest)
    try roundTrip(try Samples.credentialReply())
    try roundTrip(AgentConfiguration())
  }

  @Test("Keys are sorted, slashes plain, times in milliseconds of UTC") func form() throws {
    var beat = Samples.heartbeat
    beat.monitoredInstances = ["a/b"]
    beat.mode = nil
    beat.az = nil
    #expect(
      String(decoding: try WireCoding.encode(beat), as: UTF8.self)
        == #"{"agent_id":"5b0d1f7c-1111-4222-8333-944455556666","config_version":3,"generation":4,"instance_id":"i-0abc","instance_type":"c5.large","#
        + #""monitored_instances":["a/b"],"sent_at":"2026-01-31T05:26:47.123Z","status":"online"}"#)
  }

  @Test("What may be absent may also be null, and takes its default") func defaults() throws {
    let minimal = #"{"logical_agent_id":"a","instance_id":"i","instance_type":"t","region":"r","az":"z","session_id":"s","#
    for text in [
      minimal + #""sent_at":"2026-01-31T05:26:47Z"}"#,
      minimal + #""sent_at":"2026-01-31T06:26:47.000+01:00","mode":null,"hostname":null,"generation":null,"future_field":[1]}"#,
    ] {
      let request = try WireCoding.decode(RegistrationRequest.self, from: bytes(text))
      #expect(request.mode == .unknown)
      #expect(request.hostname == nil)
      #expect(request.generation == nil)
      #expect(request.sentAt == Timestamp(seconds: 1_769_837_207))
    }
    let command = try WireCoding.decode(
      Command.self,
      from: bytes(#"{"id":"1","agent_id":"a","command_type":"ping","priority":25,"created_at":"2026-01-31T05:26:47Z","parameters":null}"#))
    #expect(command.parameters == [:])
    #expect(try WireCoding.decode(AgentConfiguration.self, from: bytes("{}")) == AgentConfiguration())
    let configuration = try WireCoding.decode(AgentConfiguration.self, from: bytes(#"{"replica_count":2,"min_savings_percent":20}"#))
    #expect(configuration.replicaCount == 2)
    #expect(configuration.minSavingsPercent == 20)
    #expect(configuration.terminateWaitSeconds == 300)
  }

  @Test("Limits are enforced when decoding and when encoding, and name the field") func limits() throws {
    var beat = Samples.heartbeat
    func expect(_ field: String, _ change: (inout Heartbeat) -> Void) {
      var bad = beat
      change(&bad)
      let error = #expect(throws: MessageError.self) { try WireCoding.encode(bad) }
      #expect(error?.field == field)
    }
    expect("agent_id") { $0.agentID = "" }
    expect("agent_id") { $0.agentID = String(repeating: "a", count: 65) }
    expect("agent_id") { $0.agentID = "a\nb" }
    expect("monitored_instances") { $0.monitoredInstances = Array(repeating: "i", count: 257) }
    expect("monitored_instances") { $0.monitoredInstances = [String(repeating: "i", count: 65)] }
    expect("generation") { $0.generation = 0 }
    expect("generation") { $0.generation = 4_294_967_296 }
    beat.monitoredInstances = Array(repeating: String(repeating: "i", count: 64), count: 256)
    try roundTrip(beat)

    var command = Samples.command
    command.parameters = [1, 2]
    #expect(throws: MessageError(field: "parameters", problem: "is no object; it must be one, such as {}")) { try command.validate() }
    command = Samples.command
    command.priority = 256
    #expect(throws: MessageError.self) { try command.validate() }
    command = Samples.command
    command.timeoutSeconds = 0
    #expect(throws: MessageError.self) { try command.validate() }

    var result = Samples.result
    result.error = String(repeating: "e", count: 4097)
    #expect(throws: MessageError.self) { try result.validate() }
    result = Samples.result
    result.output = .string(String(repeating: "o", count: 2 * 1024 * 1024))
    #expect(throws: MessageError(field: "body", problem: "has 2097505 bytes; 2097152 are the most")) { try WireCoding.encode(result) }
    result.output = .string(String(repeating: "o", count: 1024 * 1024))
    let encoded = try WireCoding.encode(result)
    #expect(try WireCoding.decode(CommandResult.self, from: encoded) == result)
    var progress = Samples.progress
    progress.reason = String(repeating: "r", count: 4097)
    #expect(throws: MessageError.self) { try progress.validate() }
    var piece = Samples.output
    piece.sequence = 0
    #expect(throws: MessageError.self) { try piece.validate() }
    var request = Samples.registration
    request.tags = ["role!": "x"]
    #expect(throws: MessageError(field: "tags", problem: "has the name 'role!'; a name is made of letters, digits and - _ . / @")) {
      try request.validate()
    }
    result.output = .double(.nan)
    let unencodable = #expect(throws: MessageError.self) { try WireCoding.encode(result) }
    #expect(unencodable?.field == "output")
  }

  @Test("A broker's address with a login in it is refused without being shown") func brokerLogin() throws {
    var reply = try Samples.credentialReply()
    reply.brokers = ["amqp://user:topsecret@broker"]
    let error = #expect(throws: MessageError.self) { try WireCoding.encode(reply) }
    #expect(error?.description.contains("topsecret") == false)
    reply.brokers = ["http://broker"]
    #expect(throws: MessageError.self) { try reply.validate() }
    reply.brokers = []
    #expect(throws: MessageError.self) { try reply.validate() }
    reply = try Samples.credentialReply()
    reply.routingKeys["notice"] = nil
    #expect(throws: MessageError(field: "routing_keys.notice", problem: "is missing")) { try reply.validate() }
  }

  @Test("A credential is not shown when its answer is printed") func hidden() throws {
    let reply = try Samples.credentialReply()
    #expect(!"\(reply)".contains("secret"))
    #expect(!String(reflecting: reply).contains("secret"))
  }

  @Test("The refusals have the words that operators know") func words() {
    #expect(
      ErrorStatus.allCases.map { "\($0.code) \($0.text)" } == [
        "401 Missing client token", "401 Invalid client token", "403 Client account is not active", "404 Agent not found",
        "400 Validation failed", "409 Another agent runs under this logical id",
      ])
    let notice = ErrorNotice(MessageError(field: "sent_at", problem: "is missing"), messageID: "m")
    #expect(notice.status == 400)
    #expect(notice.details == ["sent_at": ["is missing"]])
  }

  @Test("The states of a command that end it") func finalStates() {
    #expect(CommandStatus.allCases.filter { !$0.isFinal } == [.pending, .queued, .delivered, .running])
    #expect(CommandStatus.timedOut.rawValue == "timed_out")
  }

  @Test("Whole numbers stay whole, others stay what they are") func numbers() throws {
    let text = #"{"a":9223372036854775807,"b":-9223372036854775808,"c":1.5,"d":true,"e":null,"f":"x","g":[],"h":{},"i":0}"#
    let value = try WireCoding.decodeJSON(JSONValue.self, from: bytes(text))
    #expect(value["a"] == .int(.max))
    #expect(value["b"] == .int(.min))
    #expect(value["c"] == .double(1.5))
    #expect(value["d"] == .bool(true))
    #expect(value["e"] == .null)
    #expect(String(decoding: try WireCoding.encodeJSON(value), as: UTF8.self) == text)
  }
}
