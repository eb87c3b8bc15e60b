import AMQP
import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct CommandGateTests {
  private let token = "a-client-token-0123456789"
  private let queue = "agent.c1.a1.7"
  private let now = Timestamp(seconds: 1_800_000_000)

  private func gate() throws -> CommandGate {
    CommandGate(agentID: "agent-1", queue: queue, seal: MessageSeal(token: try ClientToken(token, name: "TOKEN")))
  }

  private func command(_ id: String = "c-1", agentID: String = "agent-1", expiresAt: Timestamp? = nil) -> Command {
    Command(id: id, agentID: agentID, commandType: "ping", createdAt: now, expiresAt: expiresAt)
  }

  private func message(
    _ body: [UInt8], id: String = "c-1", type: String = "command", routingKey: String? = nil, token: String? = nil
  ) throws -> Message {
    var message = Message(body: body, type: type, messageID: id)
    message.timestamp = UInt64(now.seconds)
    try MessageSeal(token: ClientToken(token ?? self.token, name: "TOKEN")).sign(&message, routingKey: routingKey ?? queue)
    return message
  }

  private func judge(_ message: Message, _ memory: CommandMemory = CommandMemory()) throws -> CommandGate.Decision {
    try gate().judge(message, now: now, memory: memory)
  }

  private func isDropped(_ decision: CommandGate.Decision) -> Bool {
    if case .drop = decision { true } else { false }
  }

  @Test func aSignedCommandForMeIsRun() throws {
    let command = command(expiresAt: now.advanced(by: .seconds(1)))
    #expect(try judge(message(WireCoding.encode(command))) == .run(command))
  }

  @Test func whatIsNotSignedWithTheTokenIsDroppedWhateverItHolds() throws {
    let body = try WireCoding.encode(command())
    #expect(isDropped(try judge(message(body, token: "another-token"))))
    #expect(isDropped(try judge(message(body, routingKey: "agent.c1.a2.7"))), "moved from another agent's queue")
    #expect(isDropped(try judge(message(body, routingKey: "agent.c1.a1.6"))), "kept from an older queue")
    var changed = try message(body)
    changed.body.append(0x20)
    #expect(isDropped(try judge(changed)))
    var renamed = try message(body)
    renamed.messageID = "c-2"
    #expect(isDropped(try judge(renamed)))
    var late = try message(body)
    late.timestamp = 1
    #expect(isDropped(try judge(late)))
    var naked = try message(body)
    naked.headers = [:]
    #expect(isDropped(try judge(naked)))
    var odd = try message(body)
    odd.headers = ["signature": .int(1), "signature-version": .text("1")]
    #expect(isDropped(try judge(odd)))
    odd.messageID = nil
    #expect(isDropped(try judge(odd)))
  }

  @Test func aCommandOfAnotherAgentIsDropped() throws {
    #expect(isDropped(try judge(message(WireCoding.encode(command(agentID: "agent-2"))))))
  }

  @Test func anotherKindOfMessageIsDropped() throws {
    #expect(isDropped(try judge(message(WireCoding.encode(command()), type: "heartbeat"))))
  }

  @Test func anExpiredCommandIsRefusedWithTheReason() throws {
    let decision = try judge(message(WireCoding.encode(command(expiresAt: now))))
    guard case .refuse(let result) = decision else { return #expect(Bool(false), "\(decision)") }
    #expect(result.status == .expired && result.commandID == "c-1" && result.error?.contains("expired at 2027-01-15T08:00:00.000Z") == true)
  }

  @Test func aCommandThatWasTakenBeforeItExpiredIsTheDesksToAnswer() throws {
    let late = command(expiresAt: now)
    #expect(try gate().judge(message(WireCoding.encode(late)), now: now, memory: CommandMemory()) { $0 == "c-1" } == .run(late))
  }

  @Test func whatClaimsToBeACommandAndIsNotBelievedIsReportedUnderItsIdIfThatCanBeOne() throws {
    let body = try WireCoding.encode(command())
    func reported(_ decision: CommandGate.Decision) -> String? {
      guard case .drop(_, let id) = decision else { return "not dropped" }
      return id
    }
    #expect(reported(try judge(message(body, token: "another-token"))) == "c-1")
    #expect(reported(try judge(message(WireCoding.encode(command(agentID: "agent-2"))))) == "c-1")
    #expect(reported(try judge(message(body, type: "cancel", token: "another-token"))) == nil, "its id is not a command's")
    #expect(reported(try judge(message(body, id: String(repeating: "x", count: 65), token: "another-token"))) == nil)
    var odd = try message(body, token: "another-token")
    odd.messageID = "two words"
    #expect(reported(try judge(odd)) == nil)
    odd.messageID = nil
    #expect(reported(try judge(odd)) == nil)
  }

  @Test func aCancellationIsHeededUnderTheSameConditionsAsACommand() throws {
    let cancellation = CommandCancellation(commandID: "c-1", agentID: "agent-1", requestedAt: now)
    let body = try WireCoding.encode(cancellation)
    #expect(try judge(message(body, id: "m-1", type: "cancel")) == .cancel(cancellation))
    #expect(isDropped(try judge(message(body, id: "m-1", type: "cancel", token: "another-token"))))
    #expect(isDropped(try judge(message(body, id: "m-1", type: "cancel", routingKey: "agent.c1.a1.6"))))
    #expect(isDropped(try judge(message([0x7b], id: "m-1", type: "cancel"))))
    let foreign = CommandCancellation(commandID: "c-1", agentID: "agent-2", requestedAt: now)
    #expect(isDropped(try judge(message(WireCoding.encode(foreign), id: "m-1", type: "cancel"))))
  }

  @Test func signedNonsenseIsReportedUnderItsMessageId() throws {
    for body in [
      [], Array("{".utf8), Array("[]".utf8), Array(#"{"id":"c-1"}"#.utf8), [0xff, 0xfe], Array(repeating: UInt8(0x5b), count: 5000),
    ] {
      let decision = try judge(message(body))
      guard case .refuse(let result) = decision else { return #expect(Bool(false), "\(decision)") }
      #expect(result.commandID == "c-1" && result.error?.contains("cannot be read") == true)
    }
    guard case .refuse = try judge(message(WireCoding.encode(command("c-9")))) else { return #expect(Bool(false)) }
  }

  @Test func aCommandThatWasRunIsAnsweredAgainEvenWhenItHasExpiredSince() throws {
    var memory = CommandMemory()
    let isFirst = memory.begin("c-1")
    #expect(isFirst)
    #expect(try judge(message(WireCoding.encode(command())), memory) == .alreadyRunning("c-1"))
    let result = CommandResult(commandID: "c-1", agentID: "agent-1", status: .succeeded, startedAt: now, finishedAt: now, sentAt: now)
    memory.finish(result)
    #expect(try judge(message(WireCoding.encode(command(expiresAt: now))), memory) == .answerAgain(result))
    let isRunAgain = memory.begin("c-1")
    #expect(!isRunAgain)
  }

  @Test func theMemoryIsBoundedInNumberAndInSize() {
    var memory = CommandMemory()
    func result(_ id: Int, _ output: String? = nil) -> CommandResult {
      CommandResult(
        commandID: "\(id)", agentID: "a", status: .succeeded, output: output.map(JSONValue.string), startedAt: now, finishedAt: now,
        sentAt: now)
    }
    for id in 0...CommandMemory.limit { memory.finish(result(id)) }
    #expect(memory["0"] == nil && memory["1"] != nil && memory["\(CommandMemory.limit)"] != nil)
    let large = String(repeating: "x", count: CommandMemory.outputLimit / 2 + 1)
    memory.finish(result(-1, large))
    memory.finish(result(-2, large))
    #expect(memory["-1"] == nil && memory["-2"] != nil)
    memory.finish(result(-3, large + large))
    #expect(memory["-3"] != nil, "the newest is kept, whatever its size")
  }
}
