import Testing

@testable import spotctl

/// What a fleet needs and what a machine has, as a calculation.
@Suite struct CapacityModelTests {
  /// Figures of its own, so that a new reference changes no test.
  private static let figures: [CapacityFigure: Double] = [
    .ingestRate: 20_000, .publishRate: 12_000, .drainCost: 20, .workerPeak: 60, .deliveredRate: 4000, .storedRate: 3000, .agentMemory: 26,
    .agentProcessor: 0.1, .loginRate: 300, .steadyAgents: 20_000, .steadyRate: 667, .steadyLag: 100, .steadyServer: 5, .steadyBroker: 20,
    .steadyDatabase: 5, .steadyMemory: 60,
  ]

  private let model = CapacityModel(
    CapacityMeasurements(file: "bench.json", cores: 2, broker: nil, figures: figures, remarks: []), broker: BrokerVersion(3, 10))
  private let load = CapacityLoad(agents: 10_000, interval: 30)

  private func machine(_ cores: Int, _ gibibytes: Double, files: Int = 65_536) -> CapacityMachine {
    CapacityMachine(cores: cores, memory: gibibytes * CapacityMachine.gibibyte, openFiles: files)
  }

  private func share(_ resource: CapacityResource, _ load: CapacityLoad, _ machine: CapacityMachine) throws -> CapacityShare {
    try #require(model.shares(load, on: machine).first { $0.resource == resource })
  }

  private func measured(_ figures: [CapacityFigure: Double]) -> CapacityMeasurements {
    CapacityMeasurements(file: "bench.json", cores: 2, broker: nil, figures: Self.figures.merging(figures) { $1 }, remarks: [])
  }

  @Test func everyResourceIsInTheTableOnceAndNeededMoreByMoreAgents() {
    let small = model.shares(load, on: machine(2, 8))
    let large = model.shares(CapacityLoad(agents: 20_000, interval: 30), on: machine(2, 8))
    #expect(small.map(\.resource) == CapacityResource.allCases)
    for (small, large) in zip(small, large) {
      #expect(large.needs > small.needs && large.has == small.has && small.share > 0, "\(small.resource)")
    }
  }

  @Test func aLongerIntervalNeedsFewerHeartbeatsAndAsMuchMemory() throws {
    let rare = CapacityLoad(agents: 10_000, interval: 60)
    let (often, half) = (try share(.heartbeats, load, machine(2, 8)), try share(.heartbeats, rare, machine(2, 8)))
    #expect(abs(often.needs - 2 * half.needs) < 1e-6 && often.has == half.has)
    #expect(try share(.memory, rare, machine(2, 8)) == share(.memory, load, machine(2, 8)))
    #expect(try share(.processors, rare, machine(2, 8)).needs < share(.processors, load, machine(2, 8)).needs)
  }

  @Test func coresHelpProcessorsAndLoginsAndNotTheQueueThatIsOneProcess() throws {
    let (two, sixteen) = (machine(2, 8), machine(16, 8))
    #expect(try share(.processors, load, sixteen).has == 8 * share(.processors, load, two).has)
    #expect(try share(.logins, load, sixteen).has == 8 * share(.logins, load, two).has)
    #expect(try share(.heartbeats, load, sixteen).has == share(.heartbeats, load, two).has)
    // On fewer cores than were measured the queue has to share one.
    #expect(try share(.heartbeats, load, machine(1, 8)).has < share(.heartbeats, load, two).has)
  }

  @Test func theQueueCarriesLessThanItDrainsOrTakesInAlone() {
    let model = CapacityModel(measured([.ingestRate: 10_000, .publishRate: 10_000]), broker: BrokerVersion(3, 10))
    #expect(abs(model.queueRate(machine(2, 8)) - 5000) < 1e-6)
  }

  @Test func aHeartbeatCostsWhatTheFleetAtRestTookForOne() {
    let model = CapacityModel(
      measured([.steadyRate: 500, .steadyServer: 5, .steadyBroker: 20, .steadyDatabase: 10]), broker: BrokerVersion(3, 10))
    #expect(abs(model.heartbeatCost(.steadyServer) - 100e-6) < 1e-12)
    #expect(abs(model.heartbeatCost - 700e-6) < 1e-12)
  }

  @Test func anAgentCostsWhatItCostTheNewestMeasuredBrokerThatIsNotNewer() {
    func version(_ text: String) -> BrokerVersion? { BrokerVersion(text).map { CapacityModel(.reference, broker: $0).footprint.version } }
    #expect(version("3.10.8") == BrokerVersion(3, 10) && version("3.13") == BrokerVersion(3, 10))
    #expect(version("4.0.5") == BrokerVersion(4, 0) && version("4.2") == BrokerVersion(4, 0))
    #expect(version("4.3.6") == BrokerVersion(4, 3) && version("5.0") == BrokerVersion(4, 3))
    for text in ["", "4", "4.", ".3", "4.x", "4.3.6.1", "v4.3", "-4.3", "4.-3"] { #expect(BrokerVersion(text) == nil, "\(text)") }
  }

  @Test(arguments: [(1, 1.0), (2, 8.0), (4, 16.0), (16, 64.0), (96, 768.0)])
  func theLargestFleetFitsAndOneAgentMoreDoesNot(_ cores: Int, _ gibibytes: Double) {
    for budget in [0.3, 0.7, 1] {
      let machine = machine(cores, gibibytes)
      let (agents, limit) = model.largestFleet(like: load, on: machine, budget: budget)
      func first(_ agents: Int) -> CapacityShare { model.givesOutFirst(CapacityLoad(agents: agents, interval: 30), on: machine) }
      #expect(agents == 0 || first(agents).share <= budget)
      #expect(first(agents + 1).share > budget && first(agents + 1).resource == limit)
    }
  }

  @Test func whatGivesOutFirstIsWhatTheMachineHasTooLittleOf() {
    #expect(model.largestFleet(like: load, on: machine(16, 8), budget: 0.7).limit == .brokerMemory)
    #expect(model.largestFleet(like: load, on: machine(64, 512, files: 1000), budget: 0.7).limit == .openFiles)
    #expect(model.largestFleet(like: load, on: machine(64, 1024, files: 1 << 30), budget: 0.7).limit == .erlangProcesses)
    let often = CapacityLoad(agents: 1, interval: 1)
    #expect(model.largestFleet(like: often, on: machine(16, 512), budget: 0.7).limit == .heartbeats)
    #expect(model.largestFleet(like: often, on: machine(1, 512), budget: 0.7).limit == .processors)
    let quickly = CapacityLoad(agents: 1, interval: 3600, backWithin: 1)
    #expect(model.largestFleet(like: quickly, on: machine(2, 64), budget: 0.7).limit == .logins)
    // Not even the first agent: the system alone takes more.
    #expect(model.largestFleet(like: load, on: machine(2, 0.25), budget: 0.7).agents == 0)
  }

  @Test func anOutageIsBoundedByTheLifeOfAHeartbeatAndByTheQueuesSize() throws {
    #expect(model.outage(CapacityLoad(agents: 100, interval: 30)) == 3600)
    let many = CapacityLoad(agents: 100_000, interval: 30)
    let bytes = model.outage(many) * many.heartbeatsPerSecond * CapacityReference.heartbeatBodyBytes
    #expect(model.outage(many) < 3600 && abs(bytes - CapacityReference.heartbeatQueueBytes) < 1)
    #expect(model.outageDisk(many) > CapacityReference.heartbeatQueueBytes)
    #expect(try #require(model.catchUp(load, on: machine(2, 8))) > 0)
    #expect(model.catchUp(CapacityLoad(agents: 1_000_000, interval: 1), on: machine(2, 8)) == nil)
  }

  @Test func theServersMemoryIsThatAtRestOrThatOfDrainingWhicheverIsMore() {
    let model = CapacityModel(
      measured([.steadyAgents: 20_000, .steadyMemory: 100, .workerPeak: 90]), broker: BrokerVersion(3, 10))
    #expect(model.serverMemory(20_000) == 100e6)
    #expect(model.serverMemory(30_000) == 100e6 + 10_000 * CapacityReference.rememberedBytes)
    #expect(model.serverMemory(1) == 90e6)
    // It remembers so many agents and no more.
    #expect(model.serverMemory(200_000) == model.serverMemory(100_000))
  }

  @Test func numbersForPeopleHaveAsManyDigitsAsTellSomething() {
    let texts: [(Double, String)] = [
      (0, "0"), (0.314, "0.31"), (0.001, "0"), (1.5, "1.5"), (9.999, "10"), (42.04, "42"), (42.06, "42.1"), (159.4, "159"),
      (18_942, "18942"),
      (-1.25, "-1.25"), (.infinity, "inf"),
    ]
    for (number, text) in texts { #expect(CapacityText.number(number) == text) }
    #expect(CapacityText.bytes(6.2 * 1_073_741_824) == "6.2 GiB" && CapacityText.bytes(1536) == "1.5 KiB")
    #expect(CapacityText.bytes(152 * 1_048_576) == "152 MiB")
    #expect(CapacityText.time(42) == "42 s" && CapacityText.time(1020) == "17 min" && CapacityText.time(9000) == "2.5 h")
  }
}
