import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import FleetBench

/// What `grow` measures in which order, and what it makes of it.
struct GrowthTests {
  private let plan = GrowthPlan(agents: [1000, 5000], history: [2000, 30_000])

  @Test func oneThingGrowsAtATimeAndNothingShrinks() {
    #expect(
      plan.cells.map(\.key) == [
        "agents_1000_history_0", "agents_5000_history_0", "agents_5000_history_2000", "agents_5000_history_30000",
      ])
    #expect(GrowthPlan(agents: [7], history: []).cells == [GrowthPlan.Cell(agents: 7, history: 0)])
  }

  @Test func everySizeIsComparedWithTheMedianOfTheFirst() {
    var figures = GrowthFigures(plan: plan, heartbeats: 9000, commands: 70)
    figures.sized[plan.cells[0]] = GrowthFigures.Sized(
      rate: [100, 400, 200], processor: [10], dispatch: [Durations([.milliseconds(4)])])
    figures.sized[plan.cells[3]] = GrowthFigures.Sized(rate: [150, 100], processor: [12.5], dispatch: [Durations([.milliseconds(6)])])
    figures.retention = GrowthFigures.Retention(rate: [90], ratio: [0.9], removed: [3000])
    let json = figures.measurements.json
    #expect(
      json.hasPrefix(
        #"{"heartbeats": 9000, "commands": 70, "agents_1000_history_0_per_second": 200, "agents_1000_history_0_per_second_range": [100, 400], "#
      ))
    for member in [
      #""agents_5000_history_30000_per_second_ratio_to_smallest": 0.63, "agents_5000_history_30000_per_second_ratio_to_smallest_range": [0.50, 0.75]"#,
      #""agents_5000_history_30000_cpu_us_per_message_ratio_to_smallest": 1.25"#,
      #""agents_5000_history_30000_dispatch_p50_ms": 6.00, "agents_5000_history_30000_dispatch_p50_ms_ratio_to_smallest": 1.50"#,
      #""agents_5000_history_30000_dispatch_p99_ms_ratio_to_smallest": 1.50"#,
      #""retention_per_second": 90, "retention_ratio": 0.90, "retention_removed": 3000"#,
    ] {
      #expect(json.contains(member), "\(member) is not in \(json)")
    }
    #expect(!json.contains("agents_1000_history_0_per_second_ratio") && !json.contains("history_2000"), "\(json)")
    #expect(figures.measurements.text.contains("5000 agents, past 30000: heartbeats"))
  }

  @Test func aSampleIsSpreadOverTheWholeFleet() throws {
    let members = try (0..<1000).map { number in
      BenchFleet.Member(address: try AgentAddress(clientID: "c", logicalAgentID: "agent-\(number)"), id: "\(number)")
    }
    let pool = Pool(configuration: DatabaseConfiguration(host: "127.0.0.1", user: "u", password: "", database: "d"), size: 1)
    let fleet = BenchFleet(pool: pool, clientID: "c", token: "t", members: members)
    #expect(fleet.sample(4).members.map(\.id) == ["0", "250", "500", "750"])
    #expect(Set(fleet.sample(333).members.map(\.id)).count == 333)
    #expect(fleet.sample(5000).members.count == 1000)
  }
}
