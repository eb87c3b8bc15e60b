import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// A row becomes a message that its agent can trust, or an error that names the column.
@Suite struct DispatchEnvelopeTests {
  private let now = Timestamp(milliseconds: 1_700_000_000_000)

  private func row(
    parameters: String? = #"{"a":1}"#, priority: Int = 25, expiresAt: Timestamp? = nil, timeout: Int? = nil, type: String = "ping"
  )
    -> ClaimedCommand
  {
    ClaimedCommand(
      seq: 1, id: "cmd-1", agentID: "agent-1", logicalAgentID: "a1", clientID: "c1", queue: "agent.c1.a1.3", generation: 3,
      commandType: type,
      parameters: parameters,
      priority: priority, createdAt: now, expiresAt: expiresAt, timeoutSeconds: timeout, streamsOutput: false, attempts: 1)
  }

  @Test func isSignedForTheQueueItGoesTo() throws {
    let publication = try CommandEnvelope.publication(row(), account: BenchMessage.account(), at: now)
    #expect(publication.exchange == "fleet.commands" && publication.routingKey == "agent.c1.a1.3" && publication.mandatory)
    let message = publication.message
    #expect(message.messageID == "cmd-1" && message.type == "command" && message.persistent && message.expiration == nil)
    guard case .text(let signature) = message.headers["signature"] else { throw UnexpectedVerdict(description: "not signed") }
    let envelope = SignedEnvelope(
      type: "command", messageID: "cmd-1", timestamp: now.seconds, routingKey: "agent.c1.a1.3", body: message.body, signature: signature,
      version: 1)
    try envelope.verify(with: SigningKey(clientToken: BenchMessage.token))
    let command = try WireCoding.decode(Command.self, from: message.body)
    #expect(command.agentID == "agent-1" && command.parameters == .object(["a": .int(1)]))
  }

  @Test func aRowWithoutParametersHasAnEmptyObject() throws {
    let publication = try CommandEnvelope.publication(row(parameters: nil), account: BenchMessage.account(), at: now)
    #expect(try WireCoding.decode(Command.self, from: publication.message.body).parameters == .object([:]))
  }

  @Test(arguments: ["{", "", "nonsense", "{\"a\":}", String(repeating: "[", count: 10_000)])
  func parametersThatAreNoJSONAreNamed(_ parameters: String) {
    let error = #expect(throws: MessageError.self) {
      try CommandEnvelope.publication(row(parameters: parameters), account: BenchMessage.account(), at: now)
    }
    #expect(error?.field == "commands.parameters")
  }

  @Test func otherValuesThatNoAgentTakesAreNamed() {
    let rows = [
      ("parameters", row(parameters: "[1]")), ("priority", row(priority: 256)), ("priority", row(priority: -1)),
      ("timeout_seconds", row(timeout: 0)),
      ("command_type", row(type: "")), ("command_type", row(type: "a\nb")),
    ]
    for (field, row) in rows {
      let error = #expect(throws: MessageError.self) { try CommandEnvelope.publication(row, account: BenchMessage.account(), at: now) }
      #expect(error?.field == field)
    }
  }

  @Test func livesAtTheBrokerForAsLongAsItMayStart() throws {
    func expiration(_ after: Duration) throws -> String? {
      try CommandEnvelope.publication(row(expiresAt: now.advanced(by: after)), account: BenchMessage.account(), at: now).message.expiration
    }
    #expect(try expiration(.milliseconds(1500)) == "1500")
    // It is over: it goes to an agent that waits, which refuses it, or is dropped; never kept for ever.
    #expect(try expiration(.seconds(-5)) == "1")
    #expect(try expiration(.milliseconds(4_294_967_295)) == "4294967295")
    // The broker counts no further, and closes the channel of whoever asks it to.
    #expect(try expiration(.milliseconds(4_294_967_296)) == nil)
  }
}
