import AMQP
import FleetProtocol
import Glibc
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench steady`: a large fleet at rest: every agent's heartbeat in its turn, and now and then an agent that registers.
actor SteadyBenchmark: Benchmark {
  /// Connections that publish; an agent keeps to one of them, so its heartbeats stay in order.
  private static let connections = 4
  private static let interval = Duration.seconds(30)
  /// Between two looks at which heartbeats are due.
  private static let tick = Duration.milliseconds(50)
  private static let betweenRegistrations = Duration.seconds(1)

  private struct Figures {
    var rate: [Double] = []
    var lags: [Durations] = []
    var open: [Double] = []
    var registrations: [Double] = []
    var serverCPU: [Double] = []
    var brokerCPU: [Double] = []
    var databaseCPU: [Double] = []
    var before: [Double] = []
    var after: [Double] = []
  }

  /// The processes at one moment.
  private struct Sample {
    let at = ContinuousClock.now
    let server: ProcessUsage?
    let broker: ProcessUsage?
    let database: ProcessUsage?
  }

  private let options: SteadyOptions
  private let settings: BenchSettings
  private let broker: ConnectionConfiguration
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private let queue: HeartbeatQueue
  private let lag = HeartbeatLag()
  private let sent = Lock(0)
  private let registrations = Lock<[Duration]>([])
  private var fleet: BenchFleet?
  private var server: ServerProcess?
  private var queues: [String] = []
  /// Whether the queue held nothing before us, so that what is in it is ours.
  private var hasPublished = false

  init(_ options: SteadyOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    broker = settings.broker.connection(named: "fleet-bench steady")
    pool = settings.database.pool()
    queue = HeartbeatQueue(broker: broker, loop: loop)
  }

  func run() async throws {
    let program = try options.programs.product("spot-optimizer-server")
    try await queue.requireUnused()
    let logins = try AgentLogins(settings)
    say("writing the rows of \(options.agents) agents")
    let fleet = try await BenchFleet.create(pool, agents: options.agents)
    self.fleet = fleet
    let server = try await ServerProcess.start(program, role: "worker")
    self.server = server
    _ = try await server.waitUntilServing()
    hasPublished = true
    try await withThrowingTaskGroup(of: Void.self) { [lag] group in
      group.addTask {
        for await line in server.lines {
          if let count = ServerProcess.committed(line.text) { lag.committed(count, at: line.at) }
        }
        try Task.checkCancellation()
        throw BenchError("the server ended")
      }
      let began = ContinuousClock.now
      for lane in 0..<Self.connections { group.addTask { try await self.publish(lane, fleet, from: began) } }
      group.addTask { try await self.registerNowAndThen(fleet, logins) }
      group.addTask { try await self.measure(server) }
      defer { group.cancelAll() }
      // The measuring has ended, or something could not go on.
      try await group.next()
    }
  }

  func cleanUp() async {
    if let server { _ = await server.stop() }
    if hasPublished { await queue.purge() }
    await deleteQueues(queues, settings, on: loop)
    if let fleet { await fleet.remove() }
    await pool.close()
    loop.stop()
  }

  // MARK: The fleet

  /// Publishes the heartbeats of every fourth agent, spread evenly over the interval, until the task is cancelled.
  private nonisolated func publish(_ lane: Int, _ fleet: BenchFleet, from began: ContinuousClock.Instant) async throws {
    let members = Array(fleet.members.enumerated()).filter { $0.offset % Self.connections == lane }.map(\.element)
    guard !members.isEmpty else { return try await Task.sleep(for: .seconds(86_400 * 365)) }
    let templates = try members.map { try HeartbeatTemplate($0, login: broker.username) }
    try await withConnection(broker, on: loop) { [lag, sent] connection in
      let key = try SigningKey(clientToken: fleet.token)
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      // As the agent does; the broker then writes its own long address into every message.
      _ = try await channel.consume(Topology.replyToQueue, noAck: true)
      var number = 0
      while true {
        let now = Timestamp.now()
        let due = Int(began.duration(to: .now).inSeconds / Self.interval.inSeconds * Double(members.count))
        let publications = try (number..<max(number, due)).map { number in
          try templates[number % templates.count].publication(sentAt: now, number: number / templates.count, key)
        }
        number += publications.count
        if !publications.isEmpty {
          lag.published(publications.count, at: .now)
          sent.withLock { $0 += publications.count }
          for result in await channel.publish(publications) { try result.get() }
        }
        try await Task.sleep(for: Self.tick)
      }
    }
  }

  private nonisolated func registerNowAndThen(_ fleet: BenchFleet, _ logins: AgentLogins) async throws {
    var number = 0
    while true {
      try await Task.sleep(for: Self.betweenRegistrations)
      let address = try AgentAddress(clientID: fleet.clientID, logicalAgentID: "new-\(number)")
      number += 1
      let agent = try await SimulatedAgent.connect(address, try logins.login(of: address), on: loop)
      let began = ContinuousClock.now
      let reply: RegistrationReply
      do {
        reply = try await agent.register(token: fleet.token)
      } catch {
        await agent.connection.close()
        throw error
      }
      let took = began.duration(to: .now)
      registrations.withLock { $0.append(took) }
      await remember(reply.queue)
      await agent.connection.close()
    }
  }

  private func remember(_ queue: String) { queues.append(queue) }

  // MARK: What is measured

  private func measure(_ server: ServerProcess) async throws {
    // A whole round at least, unless that is more than is asked for: every agent's row has been read and written then.
    let warmUp = min(Self.interval, options.duration)
    say("warming up for \(warmUp.shortText)")
    try await Task.sleep(for: warmUp)
    var figures = Figures()
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): \(options.agents) agents for \(options.duration.shortText)")
      _ = (lag.take(), registrations.withLock { $0 = [] })
      let before = sample(server)
      let count = sent.withLock { $0 }
      try await Task.sleep(for: options.duration)
      let after = sample(server)
      let seconds = before.at.duration(to: after.at).inSeconds
      func share(_ usage: KeyPath<Sample, ProcessUsage?>) -> [Double] {
        guard let from = before[keyPath: usage], let to = after[keyPath: usage] else { return [] }
        return [(to.processorTime - from.processorTime).inSeconds / seconds * 100]
      }
      guard let first = before.server, let last = after.server else { throw BenchError("the server ended") }
      figures.rate.append(Double(sent.withLock { $0 } - count) / seconds)
      figures.lags.append(lag.take())
      figures.open.append(Double(lag.open))
      figures.registrations.append(Durations(registrations.withLock { $0 }).milliseconds(99))
      figures.serverCPU += share(\.server)
      figures.brokerCPU += share(\.broker)
      figures.databaseCPU += share(\.database)
      figures.before.append(Double(first.resident) / 1e6)
      figures.after.append(Double(last.resident) / 1e6)
    }
    report(figures)
  }

  private func sample(_ server: ServerProcess) -> Sample {
    Sample(
      server: server.usage(), broker: options.brokerProcess.flatMap { ProcessUsage(of: $0) },
      database: options.databaseProcess.flatMap { ProcessUsage(of: $0) })
  }

  private func report(_ figures: Figures) {
    var all = Measurements()
    all.add("agents", "agents", [Double(options.agents)])
    all.add("seconds", "time of a run", unit: "s", [options.duration.inSeconds])
    all.add("heartbeats_per_second", "heartbeats", unit: "/s", digits: 1, figures.rate)
    for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
      all.add("lag_\(name)_ms", "publishing to commit, \(name)", unit: "ms", digits: 1, figures.lags.map { $0.milliseconds(percent) })
    }
    all.add("lag_max_ms", "publishing to commit, longest", unit: "ms", digits: 1, figures.lags.map { $0.milliseconds(100) })
    all.add("open", "not committed at the end", figures.open)
    all.add("registration_p99_ms", "registration, p99", unit: "ms", digits: 1, figures.registrations)
    all.add("server_cpu_percent", "server's processor time of one core", unit: "%", digits: 1, figures.serverCPU)
    all.add("broker_cpu_percent", "broker's", unit: "%", digits: 1, figures.brokerCPU)
    all.add("database_cpu_percent", "database's", unit: "%", digits: 1, figures.databaseCPU)
    all.add("server_mb_before", "server's memory at the start", unit: "MB", digits: 1, figures.before)
    all.add("server_mb_after", "server's memory at the end", unit: "MB", digits: 1, figures.after)
    all.write(asJSON: options.asJSON)
  }
}
