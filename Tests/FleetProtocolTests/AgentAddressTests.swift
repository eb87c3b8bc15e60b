import FleetProtocol
import ServiceRuntime
import Testing

@Suite("Names of agents on the broker") struct AgentAddressTests {
  @Test("Plain ids stay as they are") func plain() throws {
    let address = try AgentAddress(clientID: "c1", logicalAgentID: "web-01_A")
    #expect(address.routingKey(.heartbeat) == "heartbeat.c1.web-01_A")
    #expect(address.queueName(generation: 7) == "agent.c1.web-01_A.7")
    #expect(address.queuePattern == "agent.c1.web-01_A.*")
    #expect(address.username == "c1.web-01_A")
  }

  @Test(
    "Whatever could mean something in a key or scope is encoded",
    arguments: [
      ("a.b", "a%2Eb"), ("*", "%2A"), ("#", "%23"), ("a/b", "a%2Fb"), ("50%", "50%25"), ("ü", "%C3%BC"), ("a b", "a%20b"), ("~", "%7E"),
      ("😀", "%F0%9F%98%80"), ("+", "%2B"),
    ])
  func encoded(_ id: String, _ word: String) throws {
    let address = try AgentAddress(clientID: id, logicalAgentID: id)
    #expect(address.routingKey(.result) == "result.\(word).\(word)")
    let read = try AgentAddress.parse(routingKey: address.routingKey(.result))
    #expect(read.kind == .result)
    #expect(read.address == address)
    let queue = try AgentAddress.parse(queueName: address.queueName(generation: AgentAddress.greatestGeneration))
    #expect(queue.address == address)
    #expect(queue.generation == AgentAddress.greatestGeneration)
  }

  @Test("Texts that differ only in their Unicode form are different agents") func unicodeForms() throws {
    let composed = try AgentAddress(clientID: "c", logicalAgentID: "\u{e9}")
    let decomposed = try AgentAddress(clientID: "c", logicalAgentID: "e\u{301}")
    #expect(composed.encoded != decomposed.encoded)
    #expect(composed != decomposed)
  }

  @Test(
    "A routing key that is not exactly ours is refused and named",
    arguments: [
      "", "heartbeat", "heartbeat.c1", "heartbeat.c1.a1.x", "heartbeat..a1", "heartbeat.c1.", ".c1.a1", "Heartbeat.c1.a1", "beat.c1.a1",
      "heartbeat.c1.a%2e", "heartbeat.c1.%41", "heartbeat.c1.%", "heartbeat.c1.%2", "heartbeat.c1.%FF", "heartbeat.c1.a b",
      "heartbeat.c1.*", "heartbeat.#.a", "heartbeat.c1.%00", "heartbeat.c1.%C2%85", "heartbeat.c1.ü", "heartbeat.c1.a\n",
    ])
  func foreignKey(_ key: String) {
    #expect(throws: MessageError.self) { try AgentAddress.parse(routingKey: key) }
  }

  @Test(
    "A queue name that is not exactly ours is refused",
    arguments: [
      "", "agent.c.a", "agent.c.a.0", "agent.c.a.01", "agent.c.a.4294967296", "agent.c.a.+1", "agent.c.a.1.2", "fleet.c.a.1", "agent.c.a.x",
    ])
  func foreignQueue(_ name: String) {
    #expect(throws: MessageError.self) { try AgentAddress.parse(queueName: name) }
  }

  @Test("A foreign routing key of any length makes a short, printable error") func longKey() {
    do {
      _ = try AgentAddress.parse(routingKey: String(repeating: "x\n", count: 100_000))
      Issue.record("accepted")
    } catch {
      #expect(error.description.utf8.count < 300)
      #expect(!error.description.contains("\n"))
    }
  }

  @Test("The longest name fits into 255 bytes with a generation of ten digits, one more byte is refused with the remedy") func length()
    throws
  {
    // agent. + c + . + id + . + 4294967295
    let most = 255 - 6 - 1 - 1 - 1 - 10
    let longest = try AgentAddress(clientID: "c", logicalAgentID: String(repeating: "a", count: most))
    #expect(longest.queueName(generation: AgentAddress.greatestGeneration).utf8.count == 255)
    let error = #expect(throws: ConfigurationError.self) {
      try AgentAddress(clientID: "c", logicalAgentID: String(repeating: "a", count: most + 1))
    }
    #expect(error?.description.contains("256 bytes") == true)
    #expect(error?.remedy.contains("shorten") == true)
    #expect(throws: ConfigurationError.self) { try AgentAddress(clientID: "c", logicalAgentID: String(repeating: "ü", count: 40)) }
  }

  @Test("Empty ids and control characters are refused", arguments: ["", "a\nb", "\u{0}", "\u{7f}", "\u{85}"])
  func badID(_ id: String) {
    #expect(throws: ConfigurationError.self) { try AgentAddress(clientID: id, logicalAgentID: "a") }
    #expect(throws: ConfigurationError.self) { try AgentAddress(clientID: "c", logicalAgentID: id) }
  }
}
