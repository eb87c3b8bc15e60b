/// A figure of the benchmarks that the calculation works with. The name is its place in the object that `script/bench --json` prints: scenario, dot, key.
enum CapacityFigure: String, CaseIterable, Sendable {
  case ingestRate = "ingest.per_second"
  case publishRate = "ingest.published_per_second"
  case drainCost = "ingest.cpu_us_per_message"
  case workerPeak = "ingest.worker_peak_mb"
  case deliveredRate = "dispatch.delivered_per_second"
  case storedRate = "dispatch.stored_per_second"
  case agentMemory = "agent.resident_mb"
  case agentProcessor = "agent.cpu_percent"
  case loginRate = "storm.connections_per_second"
  case steadyAgents = "steady.agents"
  case steadyRate = "steady.heartbeats_per_second"
  case steadyLag = "steady.lag_p99_ms"
  case steadyServer = "steady.server_cpu_percent"
  case steadyBroker = "steady.broker_cpu_percent"
  case steadyDatabase = "steady.database_cpu_percent"
  case steadyMemory = "steady.server_mb_after"

  /// What of the benchmarks measures it.
  enum Scenario: String, CaseIterable, Sendable {
    case ingest, dispatch, agent, storm, steady
  }

  var scenario: Scenario {
    switch self {
    case .ingestRate, .publishRate, .drainCost, .workerPeak: .ingest
    case .deliveredRate, .storedRate: .dispatch
    case .agentMemory, .agentProcessor: .agent
    case .loginRate: .storm
    case .steadyAgents, .steadyRate, .steadyLag, .steadyServer, .steadyBroker, .steadyDatabase, .steadyMemory: .steady
    }
  }

  /// The member of the scenario's object.
  var key: String { String(rawValue.dropFirst(scenario.rawValue.count + 1)) }

  /// In the words of `docs/performance.md`.
  var unit: String {
    switch self {
    case .ingestRate, .publishRate, .steadyRate: "heartbeats/s"
    case .drainCost: "µs/heartbeat"
    case .workerPeak, .agentMemory, .steadyMemory: "MB"
    case .deliveredRate, .storedRate: "commands/s"
    case .agentProcessor, .steadyServer, .steadyBroker, .steadyDatabase: "% of a core"
    case .loginRate: "logins/s"
    case .steadyAgents: "agents"
    case .steadyLag: "ms"
    }
  }

  /// Whether it may be so little that it was rounded to nothing.
  var mayBeZero: Bool { ["% of a core", "ms"].contains(unit) }
}
