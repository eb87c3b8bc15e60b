import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench commands`: how long a command takes to its agent, and its result to the database.
actor CommandBenchmark: Benchmark {
  /// How often a result is asked for.
  private static let pollInterval = Duration.milliseconds(1)
  /// How long one command may take.
  private static let limit = Duration.seconds(30)

  private struct Latencies: Sendable {
    var toHandler: [Duration] = []
    var toResult: [Duration] = []
  }

  private let options: CommandOptions
  private let settings: BenchSettings
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private var fleet: BenchFleet?
  private var queues: [String] = []

  init(_ options: CommandOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    pool = settings.database.pool()
  }

  func run() async throws {
    let broker = settings.broker.connection(named: "fleet-bench commands")
    try await checkServer(broker)
    let logins = try AgentLogins(settings)
    let fleet = try await BenchFleet.create(pool, agents: 0)
    self.fleet = fleet
    say("\(options.count) commands for \(options.agents) agents")
    let began = ContinuousClock.now
    let latencies = try await withConnection(broker, on: loop) { connection in
      let wakeups = try await connection.openChannel()
      try await wakeups.enableConfirms()
      return try await withThrowingTaskGroup(of: Latencies.self) { group in
        for index in 0..<options.agents {
          let share = options.count / options.agents + (index < options.count % options.agents ? 1 : 0)
          let address = try AgentAddress(clientID: fleet.clientID, logicalAgentID: "agent-\(index)")
          let login = try logins.login(of: address)
          group.addTask { try await self.measure(share, address, login, fleet, wakeups) }
        }
        var all = Latencies()
        for try await part in group {
          all.toHandler += part.toHandler
          all.toResult += part.toResult
        }
        return all
      }
    }
    report("commands", "\(latencies.toResult.count) succeeded, by \(options.agents) agents")
    report("to the agent's handler", Durations(latencies.toHandler).text)
    report("to the stored result", Durations(latencies.toResult).text)
    report("commands/s", decimal(Double(options.count) / began.duration(to: .now).inSeconds, 0))
  }

  func cleanUp() async {
    await deleteQueues(queues, settings, on: loop)
    if let fleet { await fleet.remove() }
    await pool.close()
    loop.stop()
  }

  private func checkServer(_ broker: ConnectionConfiguration) async throws {
    let status = try await withConnection(broker, on: loop) { connection in
      try await connection.openChannel().queueStatus(Topology.registerQueue)
    }
    guard status.consumerCount > 0 else {
      throw BenchError("no worker consumes \(Topology.registerQueue): start spot-optimizer-server on this environment first")
    }
  }

  private nonisolated func measure(
    _ count: Int, _ address: AgentAddress, _ login: ConnectionConfiguration, _ fleet: BenchFleet, _ wakeups: Channel
  ) async throws -> Latencies {
    let agent = try await SimulatedAgent.connect(address, login, on: loop)
    do {
      let registration = try await agent.register(token: fleet.token)
      await remember(registration.queue)
      let commands = try await agent.consume(registration.queue)
      let arrivals = Lock<[String: ContinuousClock.Instant]>([:])
      let latencies = try await withThrowingTaskGroup(of: Latencies?.self) { group in
        group.addTask {
          try await agent.work(commands, registration, token: fleet.token) { command in
            let now = ContinuousClock.now
            arrivals.withLock { $0[command.id] = $0[command.id] ?? now }
          }
          return nil
        }
        group.addTask { try await self.issue(count, to: registration.agentID, wakeups, arrivals) }
        defer { group.cancelAll() }
        while let ended = try await group.next() {
          if let ended { return ended }
        }
        throw BenchError("agent \(address.logicalAgentID) ended early")
      }
      await agent.connection.close()
      return latencies
    } catch {
      await agent.connection.close()
      throw error
    }
  }

  private func remember(_ queue: String) { queues.append(queue) }

  /// Writes one command after the other and waits for each to have its result.
  private nonisolated func issue(
    _ count: Int, to agentID: String, _ wakeups: Channel, _ arrivals: Lock<[String: ContinuousClock.Instant]>
  ) async throws -> Latencies {
    let store = CommandStore(pool)
    var latencies = Latencies()
    for _ in 0..<count {
      let id = try await store.insert(CommandDraft(agentID: agentID, clientID: nil, commandType: "ping"))
      let written = ContinuousClock.now
      try await wakeups.publish(DispatchWakeup.publication())
      let stored = try await finish(of: id, store, deadline: written + Self.limit)
      guard let arrived = arrivals.withLock({ $0[id] }) else { throw BenchError("command \(id) has a result and never arrived") }
      latencies.toHandler.append(written.duration(to: arrived))
      latencies.toResult.append(written.duration(to: stored))
    }
    return latencies
  }

  private nonisolated func finish(of id: String, _ store: CommandStore, deadline: ContinuousClock.Instant) async throws
    -> ContinuousClock.Instant
  {
    while true {
      guard let command = try await store.find(id: id) else { throw BenchError("command \(id) is gone from the database") }
      let now = ContinuousClock.now
      if command.status == .succeeded { return now }
      guard !command.status.isFinal, now < deadline else {
        throw BenchError(
          "command \(id) is '\(command.status.rawValue)' after \(Self.limit.shortText): \(command.error ?? "no error is told")")
      }
      try await Task.sleep(for: Self.pollInterval)
    }
  }
}
