import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench notices`: from a spot notice of one agent to the command of a reaction at another.
actor NoticeBenchmark: Benchmark {
  /// How long one notice may take.
  private static let limit = Duration.seconds(30)
  /// Between the arrival of one command and the next notice, for the server to store the result: it is to be idle.
  private static let pause = Duration.milliseconds(20)

  private let options: NoticeOptions
  private let settings: BenchSettings
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private var fleet: BenchFleet?
  private var queues: [String] = []

  init(_ options: NoticeOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    pool = settings.database.pool()
  }

  func run() async throws {
    let status = try await withConnection(settings.broker.connection(named: "fleet-bench notices"), on: loop) { connection in
      try await connection.openChannel().queueStatus(Topology.noticesQueue)
    }
    guard status.consumerCount > 0 else {
      throw BenchError("no worker consumes \(Topology.noticesQueue): start spot-optimizer-server on this environment first")
    }
    let logins = try AgentLogins(settings)
    let fleet = try await BenchFleet.create(pool, agents: 0)
    self.fleet = fleet
    let spot = try await connect("spot", fleet, logins)
    let replica = try await connect("replica", fleet, logins)
    let (from, to) = (try await register(spot, fleet), try await register(replica, fleet))
    try await addReaction(fleet)
    say("\(options.count) notices")
    let commands = try await replica.consume(to.queue)
    let latencies = try await measure(spot, from, fleet.token) { handle in
      try await replica.work(commands, to, token: fleet.token, handle: handle)
    }
    report("notices", "\(latencies.count), each with the command of its reaction")
    report("notice to the other agent's handler", Durations(latencies).text)
    for agent in [spot, replica] { await agent.connection.close() }
  }

  func cleanUp() async {
    await deleteQueues(queues, settings, on: loop)
    if let fleet { await fleet.remove() }
    await pool.close()
    loop.stop()
  }

  private func connect(_ name: String, _ fleet: BenchFleet, _ logins: AgentLogins) async throws -> SimulatedAgent {
    let address = try AgentAddress(clientID: fleet.clientID, logicalAgentID: name)
    return try await SimulatedAgent.connect(address, try logins.login(of: address), on: loop)
  }

  private func register(_ agent: SimulatedAgent, _ fleet: BenchFleet) async throws -> RegistrationReply {
    let registration = try await agent.register(token: fleet.token)
    queues.append(registration.queue)
    return registration
  }

  private func addReaction(_ fleet: BenchFleet) async throws {
    var reaction = Reaction(
      name: fleet.clientID, on: EventType.agentInterruption.rawValue, target: "name=replica and not id={agent.id}", run: "switch")
    reaction.clientID = fleet.clientID
    reaction.agentCondition = "mode!=ondemand"
    reaction.parameters = #"{"time":"{notice.time}"}"#
    reaction.limitPerMinute = Reaction.limits.upperBound
    try await ReactionStore(pool).add(reaction)
  }

  /// Publishes notices while `work` handles the commands, and returns how long each took.
  private nonisolated func measure(
    _ agent: SimulatedAgent, _ registration: RegistrationReply, _ token: String,
    _ work: @escaping @Sendable (@escaping @Sendable (Command) -> Void) async throws -> Void
  ) async throws -> [Duration] {
    let arrivals = Lock<[String: ContinuousClock.Instant]>([:])
    let arrived = Signal()
    return try await withThrowingTaskGroup(of: [Duration]?.self) { [count = options.count] group in
      group.addTask {
        try await work { command in
          let now = ContinuousClock.now
          if case .string(let time)? = command.parameters["time"] { arrivals.withLock { $0[time] = $0[time] ?? now } }
          arrived.raise()
        }
        return nil
      }
      group.addTask {
        let key = try SigningKey(clientToken: token)
        var latencies: [Duration] = []
        let first = Timestamp.now().advanced(by: .seconds(120))
        for number in 0..<count {
          let time = first.advanced(by: .milliseconds(number))
          let notice = SpotNotice(
            agentID: registration.agentID, kind: .interruption, action: "terminate", time: time, sentAt: .now())
          let began = ContinuousClock.now
          try await agent.publish(notice, .notice, key)
          latencies.append(began.duration(to: try await Self.arrival(time.iso8601, arrivals, arrived)))
          try await Task.sleep(for: Self.pause)
        }
        return latencies
      }
      defer { group.cancelAll() }
      while let ended = try await group.next() {
        if let ended { return ended }
      }
      throw BenchError("the agent that runs the commands ended early")
    }
  }

  private static func arrival(
    _ time: String, _ arrivals: Lock<[String: ContinuousClock.Instant]>, _ arrived: Signal
  ) async throws -> ContinuousClock.Instant {
    let deadline = ContinuousClock.now + limit
    while true {
      if let arrival = arrivals.withLock({ $0[time] }) { return arrival }
      guard ContinuousClock.now < deadline else {
        throw BenchError("the command for a notice did not arrive within \(limit.shortText); see the server's log and reaction_runs")
      }
      try await arrived.wait(upTo: .seconds(1))
    }
  }
}
