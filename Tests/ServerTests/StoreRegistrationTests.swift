import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

@Suite struct StoreRegistrationTests {
  private let address: AgentAddress
  init() throws { address = try AgentAddress(clientID: "c1", logicalAgentID: "a.1") }

  private func request(_ session: String, _ sentAt: Timestamp, generation: Int? = nil) -> RegistrationRequest {
    FleetDatabase.request("a.1", session: session, sentAt: sentAt, generation: generation)
  }

  @Test func aNewAgentGetsItsRowAndItsFirstQueue() async throws {
    try await FleetDatabase.with { database in
      let now = try await database.now()
      guard case .registered(let agent, let previous) = try await database.agents.register(request("s1", now), from: address) else {
        Issue.record("not registered")
        return
      }
      #expect(agent.generation == 1 && agent.queue == "agent.c1.a%2E1.1" && previous == nil && agent.config == AgentConfiguration())
      let row = try #require(try await database.agents.find(id: agent.id))
      #expect(row.status == .online && row.mode == .spot && row.machine.hostname == "host-a.1" && row.sessionID == "s1")
      #expect(row.lastHeartbeatAt == now && row.transport == "amqp")
    }
  }

  @Test func theSameRegistrationAgainGivesTheStateAsItIs() async throws {
    try await FleetDatabase.with { database in
      let first = request("s1", try await database.now())
      let one = try await database.agents.register(first, from: address)
      #expect(try await database.agents.register(first, from: address) == one)
    }
  }

  @Test func anotherProcessTakesOverWithANewQueueAndTheOldOnesCommands() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a.1")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      try await database.commands.markQueued(try await database.commands.claim(limit: 10, lease: .seconds(60)))
      #expect(try await database.commands.find(id: id)?.status == .queued)
      let outcome = try await database.agents.register(
        request("s2", try await database.now().advanced(by: .milliseconds(1))), from: address)
      guard case .registered(let next, let previous) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      #expect(next.id == agent.id && next.generation == 2 && previous == "agent.c1.a%2E1.1" && next.queue == "agent.c1.a%2E1.2")
      #expect(try await database.commands.find(id: id)?.status == .pending)
    }
  }

  @Test func theOlderProcessGivesWayToTheOneThatTookItsName() async throws {
    try await FleetDatabase.with { database in
      try await database.register("a.1", session: "old")
      let agent = try await database.register("a.1", session: "new", sentAt: try await database.now().advanced(by: .milliseconds(5)))
      let outcome = try await database.agents.register(request("old", try await database.now(), generation: 1), from: address)
      #expect(outcome == .refused(holder: RegistrationHolder(agentID: agent.id, instanceID: "i-a.1")))
      #expect(try await database.agents.find(address)?.generation == 2)
      // When the other one has gone, the older may come back.
      try await database.sql("UPDATE agents SET status = 'offline'")
      let again = try await database.agents.register(request("old", try await database.now(), generation: 1), from: address)
      guard case .registered = again else {
        Issue.record("still refused")
        return
      }
    }
  }

  @Test func aRegistrationThatCameLateMakesNobodyLookAlive() async throws {
    try await FleetDatabase.with { database in
      let late = try await database.now().advanced(by: .seconds(-3600))
      let agent = try await database.register("a.1", sentAt: late)
      #expect(agent.status == .offline && agent.lastHeartbeatAt == late)
    }
  }

  @Test func aClockAheadCountsAsNow() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a.1", sentAt: Timestamp(seconds: 7_000_000_000))
      let now = try await database.now()
      #expect(agent.status == .online)
      #expect(try #require(agent.lastHeartbeatAt) <= now)
    }
  }

  @Test func aNameThatDiffersBySpacesOnlyIsRefused() async throws {
    try await FleetDatabase.with { database in
      try await database.register("a")
      let padded = try AgentAddress(clientID: "c1", logicalAgentID: "a ")
      let request = FleetDatabase.request("a ", session: "s9", sentAt: try await database.now())
      await #expect(throws: MessageError.self) { try await database.agents.register(request, from: padded) }
      #expect(try await database.agents.find(padded) == nil)
    }
  }

  @Test func manyWorkersRegisteringOneNewAgentMakeOneRow() async throws {
    try await FleetDatabase.with { database in
      let now = try await database.now()
      let agents = database.agents
      let address = address
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<12 {
          let request = FleetDatabase.request("a.1", session: "s\(number)", sentAt: now.advanced(by: .milliseconds(number)))
          group.addTask { _ = try await agents.register(request, from: address) }
        }
        try await group.waitForAll()
      }
      #expect(try await database.agents.list().rows.count == 1)
    }
  }

  @Test func theDecisionIsAFunctionOfTheRow() {
    let now = Timestamp(seconds: 1_000_000)
    var row = RegistrationState()
    func decide(_ session: String, _ sentAt: Int64, generation: Int? = nil) -> RegistrationState.Decision {
      row.decision(
        for: FleetDatabase.request("a", session: session, sentAt: Timestamp(seconds: sentAt), generation: generation), now: now,
        heartbeatTimeout: .seconds(120))
    }
    #expect(decide("s1", 999_990) == .newGeneration, "never registered")
    row.sessionID = "s1"
    row.queue = "agent.c.a.1"
    row.status = "online"
    row.sentAt = Timestamp(seconds: 999_980)
    row.lastHeartbeatAt = Timestamp(seconds: 999_990)
    #expect(decide("s1", 999_980) == .repeated, "redelivered")
    #expect(decide("s1", 999_981) == .newGeneration, "its queue was lost")
    #expect(decide("s2", 999_999) == .newGeneration, "a new process")
    #expect(decide("s2", 999_999, generation: 1) == .conflict, "a process that had a queue meets another that is alive")
    #expect(decide("s2", 999_970) == .conflict, "an old registration delivered late must not take the name away")
    row.lastHeartbeatAt = Timestamp(seconds: 999_800)
    #expect(decide("s2", 999_999, generation: 1) == .newGeneration, "the other one is silent")
    row.registeredAt = Timestamp(seconds: 999_999)
    #expect(decide("s2", 999_999, generation: 1) == .conflict, "it registered just now and had no time for a heartbeat")
    row.status = "offline"
    #expect(decide("s2", 999_999, generation: 1) == .newGeneration, "the other one said goodbye")
  }
}
