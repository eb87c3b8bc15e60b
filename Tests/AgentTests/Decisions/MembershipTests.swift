import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct MembershipTests {
  private let first = Timestamp(seconds: 1)
  private let later = Timestamp(seconds: 2)

  private func reply(_ generation: Int = 1) -> RegistrationReply {
    RegistrationReply(
      agentID: "id", clientID: "c", logicalAgentID: "a", queue: "agent.c.a.\(generation)", generation: generation,
      heartbeatIntervalSeconds: 30, config: AgentConfiguration(), serverTime: first)
  }

  @Test func aRepeatedRequestIsTheSameUntilItIsAnswered() {
    var membership = Membership(sessionID: "s")
    #expect(membership.needsRegistration && !membership.hasBegun)
    let request = membership.request(now: first)
    let repeated = membership.request(now: later)
    #expect(request == first && repeated == first)
    membership.refused()
    let another = membership.request(now: later)
    #expect(another == later)
    membership.registered(reply())
    #expect(!membership.needsRegistration && membership.hasBegun && membership.queue == "agent.c.a.1")
    membership.queueLost()
    let afterLoss = membership.request(now: Timestamp(seconds: 3))
    #expect(afterLoss == Timestamp(seconds: 3))
  }

  @Test func aLostQueueLeavesTheAgentItsId() {
    var membership = Membership(sessionID: "s")
    membership.registered(reply())
    membership.queueLost()
    #expect(membership.needsRegistration && membership.queue == nil && membership.agentID == "id")
    membership.registered(reply(2))
    #expect(membership.queue == "agent.c.a.2")
  }

  @Test func anAgentWhoseNameAnotherProcessHasIsSilentUntilItIsRegisteredAgain() {
    var membership = Membership(sessionID: "s")
    membership.registered(reply())
    #expect(membership.voice == reply())
    membership.queueLost()
    #expect(membership.voice == reply(), "a lost queue alone leaves it its heartbeats")
    membership.superseded()
    #expect(membership.voice == nil && membership.needsRegistration && membership.agentID == "id")
    membership.registered(reply(3))
    #expect(membership.voice == reply(3))
  }

  @Test func anAgentThatIsForgottenHasNoIdAndIsNotStarting() {
    var membership = Membership(sessionID: "s")
    membership.registered(reply())
    membership.forgotten()
    #expect(membership.needsRegistration && membership.agentID == nil && membership.hasBegun)
  }

  @Test func onlyTheNewestMessagesAreRemembered() {
    var sent = SentMessages()
    for number in 0...SentMessages.limit { sent.add(.init(messageID: "\(number)", kind: .heartbeat, agentID: nil)) }
    #expect(sent["0"] == nil && sent["1"] != nil && sent["\(SentMessages.limit)"] != nil)
  }
}
