import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench dispatch`: from the commit of a command to its agent's handler, on an idle system and while a backlog of heartbeats drains; and many at once.
actor DispatchBenchmark: Benchmark {
  /// Agents that connect, or leave, at the same time; each login blocks a thread of its own.
  private static let lanes = 32
  private static let eventLoops = 2
  /// Those that write commands side by side.
  private static let writers = 8
  /// Between two commands, whatever became of those before: a slow one must not keep the next from being measured.
  private static let interval = Duration.milliseconds(5)
  /// How long commands may take to arrive.
  private static let limit = Duration.seconds(60)
  /// Nobody sends heartbeats for the agents that take commands, and none shall be called offline for it.
  private static let server = ["AGENT_HEARTBEAT_TIMEOUT": "86400"]

  /// An agent that takes commands.
  private struct Member: Sendable {
    let agent: SimulatedAgent
    let registration: RegistrationReply
    let commands: Consumer
  }

  private struct Figures: Sendable {
    var idle: [Durations] = []
    var draining: [Durations] = []
    var drained: [Double] = []
    var delivered: [Double] = []
    var stored: [Double] = []
  }

  private let options: DispatchOptions
  private let settings: BenchSettings
  private let broker: ConnectionConfiguration
  private let pool: Pool
  private let loops: [EventLoop]
  private let heartbeatQueue: HeartbeatQueue
  private let log = CommandLog()
  private var beating: BenchFleet?
  private var fleet: BenchFleet?
  private var server: ServerProcess?
  private var connections: [AMQP.Connection] = []
  private var queues: [String] = []
  /// Whether the heartbeats' queue held nothing before us, so that what is in it is ours.
  private var hasPublished = false

  init(_ options: DispatchOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    broker = settings.broker.connection(named: "fleet-bench dispatch")
    pool = settings.database.pool()
    loops = (0..<Self.eventLoops).map { EventLoop(name: "amqp-bench-\($0)") }
    heartbeatQueue = HeartbeatQueue(broker: broker, loop: loops[0])
  }

  func run() async throws {
    try allowOpenFiles(forAgents: options.agents, besides: 2 * Self.lanes + 64)
    let program = try options.programs.product("spot-optimizer-server")
    let logins = try AgentLogins(settings)
    try await heartbeatQueue.requireUnused()
    let beating = try await BenchFleet.create(pool, agents: options.beatingAgents)
    self.beating = beating
    let fleet = try await BenchFleet.create(pool, agents: 0)
    self.fleet = fleet
    _ = try await startServer(program)
    say("registering \(options.agents) agents")
    let members = try await register(fleet, logins)
    try await withThrowingTaskGroup(of: Void.self) { [log] group in
      for member in members {
        group.addTask {
          try await member.agent.work(member.commands, member.registration, token: fleet.token) { log.arrived($0.id) }
        }
      }
      group.addTask { try await self.measure(members.map(\.registration.agentID), program, beating) }
      defer { group.cancelAll() }
      // The measuring has ended, or an agent could not go on.
      try await group.next()
    }
  }

  func cleanUp() async {
    if let server { _ = await server.stop() }
    let connections = connections
    await withTaskGroup(of: Void.self) { group in
      for lane in 0..<Self.lanes {
        group.addTask { for index in stride(from: lane, to: connections.count, by: Self.lanes) { await connections[index].close() } }
      }
    }
    await deleteQueues(queues, settings, on: loops[0])
    if hasPublished { await heartbeatQueue.purge() }
    for fleet in [fleet, beating].compactMap(\.self) { await fleet.remove() }
    await pool.close()
    for loop in loops { loop.stop() }
  }

  // MARK: Server and agents

  private func startServer(_ program: String) async throws -> ServerProcess.Start {
    let server = try await ServerProcess.start(program, role: "worker", Self.server)
    self.server = server
    return try await server.waitUntilServing()
  }

  private func stopServer() async throws {
    guard let server else { return }
    self.server = nil
    let ending = await server.stop()
    guard ending.code == 0 else { throw BenchError("the server ended with exit code \(ending.code)") }
  }

  private func register(_ fleet: BenchFleet, _ logins: AgentLogins) async throws -> [Member] {
    try await withThrowingTaskGroup(of: [Member].self) { [loops, options] group in
      for lane in 0..<Self.lanes {
        group.addTask {
          var members: [Member] = []
          for index in stride(from: lane, to: options.agents, by: Self.lanes) {
            try Task.checkCancellation()
            let address = try AgentAddress(clientID: fleet.clientID, logicalAgentID: "agent-\(index)")
            let agent = try await SimulatedAgent.connect(address, try logins.login(of: address), on: loops[index % loops.count])
            await self.remember(agent.connection)
            let registration = try await agent.register(token: fleet.token)
            await self.remember(registration.queue)
            members.append(Member(agent: agent, registration: registration, commands: try await agent.consume(registration.queue)))
          }
          return members
        }
      }
      var members: [Member] = []
      for try await part in group { members += part }
      return members
    }
  }

  private func remember(_ connection: AMQP.Connection) { connections.append(connection) }
  private func remember(_ queue: String) { queues.append(queue) }

  // MARK: What is measured

  private func measure(_ agentIDs: [String], _ program: String, _ beating: BenchFleet) async throws {
    say("warming up")
    _ = try await trickle(to: agentIDs) { $0 < 200 }
    _ = try await flood(max(1, options.batch / 10), agentIDs)
    var figures = Figures()
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): \(options.commands) commands on an idle system")
      figures.idle.append(try await trickle(to: agentIDs) { [options] in $0 < options.commands })
      say("run \(round) of \(options.runs): commands while \(options.heartbeats) heartbeats drain")
      try await measureDraining(agentIDs, program, beating, &figures)
      say("run \(round) of \(options.runs): \(options.batch) commands at once")
      let (delivered, stored) = try await flood(options.batch, agentIDs)
      figures.delivered.append(Double(options.batch) / delivered.inSeconds)
      figures.stored.append(Double(options.batch) / stored.inSeconds)
    }
    report(figures)
  }

  private func measureDraining(_ agentIDs: [String], _ program: String, _ beating: BenchFleet, _ figures: inout Figures) async throws {
    try await stopServer()
    let backlog = HeartbeatBacklog(fleet: beating, count: options.heartbeats, end: try await beating.databaseTime())
    hasPublished = true
    try await backlog.publish(broker, on: loops[0])
    let start = try await startServer(program)
    guard let server else { throw CancellationError() }
    let isOver = Lock(false)
    async let drained = {
      // Also when it fails: the commands would go on for ever.
      defer { isOver.withLock { $0 = true } }
      return try await server.drain(backlog.count, from: start)
    }()
    figures.draining.append(try await trickle(to: agentIDs) { _ in !isOver.withLock { $0 } })
    figures.drained.append(Double(backlog.count) / (try await drained).duration.inSeconds)
  }

  /// Writes a command for one agent after the other at an even pace while `goesOn` says so of its number, and waits until all have arrived.
  private nonisolated func trickle(to agentIDs: [String], while goesOn: @escaping @Sendable (Int) -> Bool) async throws -> Durations {
    log.reset()
    let written = try await withWakeups { wakeups in
      let began = ContinuousClock.now
      return try await withThrowingTaskGroup(of: Int.self) { [log, pool] group in
        for writer in 0..<Self.writers {
          group.addTask {
            let store = CommandStore(pool)
            var number = writer
            var count = 0
            while true {
              try await Task.sleep(until: began + Self.interval * number, clock: .continuous)
              guard goesOn(number) else { return count }
              let agentID = agentIDs[number % agentIDs.count]
              let id = try await store.insert(CommandDraft(agentID: agentID, clientID: nil, commandType: "ping"))
              log.wrote(id, at: .now)
              try await wakeups.publish(DispatchWakeup.publication())
              count += 1
              number += Self.writers
            }
          }
        }
        return try await group.reduce(0, +)
      }
    }
    guard written > 0 else { throw BenchError("the heartbeats were drained before the first command: give more of them (--heartbeats)") }
    _ = try await log.waitForArrivals(written, within: Self.limit)
    return log.latencies
  }

  /// Writes so many commands in one transaction; from its commit, the time until all agents have theirs, and until all results are stored.
  private nonisolated func flood(_ count: Int, _ agentIDs: [String]) async throws -> (delivered: Duration, stored: Duration) {
    let limit = Self.limit + .seconds(count / 100)
    log.reset()
    let drafts = (0..<count).map { CommandDraft(agentID: agentIDs[$0 % agentIDs.count], clientID: nil, commandType: "ping") }
    try await CommandStore(pool).insert(drafts)
    let committed = ContinuousClock.now
    try await withWakeups { try await $0.publish(DispatchWakeup.publication()) }
    let delivered = committed.duration(to: try await log.waitForArrivals(count, within: limit))
    while try await unfinished() > 0 {
      guard committed.duration(to: .now) < limit else { throw BenchError("not all results were stored within \(limit.shortText)") }
      try await Task.sleep(for: .milliseconds(100))
    }
    return (delivered, committed.duration(to: .now))
  }

  private nonisolated func unfinished() async throws -> Int {
    guard let clientID = await fleet?.clientID else { return 0 }
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT COUNT(*) AS n FROM commands c JOIN agents a ON a.id = c.agent_id \
        WHERE a.client_id = ? AND c.status IN ('pending', 'queued', 'delivered', 'running')
        """, [.text(clientID)])
    }
    return try rows.first?.int("n") ?? 0
  }

  private nonisolated func withWakeups<Result: Sendable>(_ body: @Sendable (Channel) async throws -> Result) async throws -> Result {
    try await withConnection(broker, on: loops[0]) { connection in
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      return try await body(channel)
    }
  }

  private func report(_ figures: Figures) {
    var all = Measurements()
    all.add("agents", "agents that take commands", [Double(options.agents)])
    for (key, title, runs) in [("idle", "idle", figures.idle), ("draining", "while draining", figures.draining)] {
      all.add("\(key)_commands", "\(title): commands", runs.map { Double($0.count) })
      for (name, percent) in [("p50", 50.0), ("p99", 99.0), ("p999", 99.9)] {
        all.add(
          "\(key)_\(name)_ms", "\(title): commit to handler, p\(decimal(percent, percent == 99.9 ? 1 : 0))", unit: "ms", digits: 2,
          runs.map { $0.milliseconds(percent) })
      }
    }
    all.add("draining_heartbeats_per_second", "while draining: heartbeats", unit: "/s", figures.drained)
    all.add("batch", "at once: commands of one commit", [Double(options.batch)])
    all.add("delivered_per_second", "at once: to the agents' handlers", unit: "commands/s", figures.delivered)
    all.add("stored_per_second", "at once: to stored results", unit: "commands/s", figures.stored)
    all.write(asJSON: options.asJSON)
  }
}
