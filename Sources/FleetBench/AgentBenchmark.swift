import AMQP
import FleetProtocol
import ServiceRuntime

/// `fleet-bench agents`: how fast agents connect, and what one costs the broker.
actor AgentBenchmark: Benchmark {
  /// Agents that connect at the same time; each login blocks a thread of its own.
  private static let lanes = 32
  private static let eventLoops = 2

  private let options: AgentOptions
  private let settings: BenchSettings
  private let loops: [EventLoop]
  private var addresses: [AgentAddress] = []
  private var agents: [SimulatedAgent] = []

  init(_ options: AgentOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    loops = (0..<Self.eventLoops).map { EventLoop(name: "amqp-bench-\($0)") }
  }

  func run() async throws {
    try allowOpenFiles(forAgents: options.count, besides: 2 * Self.lanes + 64)
    let logins = try AgentLogins(settings)
    let clientID = BenchFleet.randomClientID()
    let memory = settings.rabbitmqctl.map { BrokerMemory(command: $0) }
    // The first of a broker's agents costs it what it loads once: code, keys, tables.
    var consumers = try await connect(0..<Self.lanes, of: clientID, logins).consumers
    let before = try await memory?.measure()

    say("connecting \(options.count) agents")
    let connected = try await connect(Self.lanes..<(Self.lanes + options.count), of: clientID, logins)
    consumers += connected.consumers
    report("agents connected", "\(options.count) on \(Self.eventLoops) event loops, \(Self.lanes) at a time")
    report(
      "connections/s",
      "\(decimal(Double(options.count) / connected.duration.inSeconds, 0)) (connection, login, channel, confirms, two consumers)")
    try await hold(consumers)
    if let memory, let before {
      let after = try await memory.measure()
      for (name, value) in after.perAgent(since: before, agents: options.count) { report(name, value) }
    } else {
      report("broker's memory", "not measured: RABBITMQCTL is not set")
    }
    report("held", options.hold.shortText)
  }

  func cleanUp() async {
    let agents = agents
    await withTaskGroup(of: Void.self) { group in
      for lane in 0..<Self.lanes {
        group.addTask {
          for index in stride(from: lane, to: agents.count, by: Self.lanes) { await agents[index].connection.close() }
        }
      }
    }
    let addresses = addresses
    do {
      try await eachLane { lane, channel in
        for index in stride(from: lane, to: addresses.count, by: Self.lanes) {
          try await channel.deleteQueue(addresses[index].queueName(generation: 1))
        }
      }
    } catch {
      say("queues of simulated agents could not be deleted, and expire in seven days: \(error)")
    }
    for loop in loops { loop.stop() }
  }

  /// As the server declares it at a registration.
  private static func declare(_ address: AgentAddress, on channel: Channel) async throws {
    let queue = address.queueName(generation: 1)
    _ = try await channel.declareQueue(
      queue, arguments: ["x-expires": .int(Topology.agentQueueExpiryMilliseconds), "x-max-priority": .int(Topology.queuePriorities)])
    try await channel.bindQueue(queue, to: Topology.commandsExchange, routingKey: queue)
  }

  /// Runs `body` side by side on channels of the server's login.
  private func eachLane(_ body: @escaping @Sendable (Int, Channel) async throws -> Void) async throws {
    guard !addresses.isEmpty else { return }
    var configuration = settings.broker.connection(named: "fleet-bench queues")
    configuration.maximumChannels = Self.lanes
    try await withConnection(configuration, on: loops[0]) { connection in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for lane in 0..<Self.lanes {
          let channel = try await connection.openChannel()
          group.addTask { try await body(lane, channel) }
        }
        try await group.waitForAll()
      }
    }
  }

  /// Declares the queues of these agents and connects them; the time is that of the connecting.
  private func connect(_ numbers: Range<Int>, of clientID: String, _ logins: AgentLogins) async throws
    -> (consumers: [Consumer], duration: Duration)
  {
    let addresses = try numbers.map { try AgentAddress(clientID: clientID, logicalAgentID: "agent-\($0)") }
    let configurations = try addresses.map { try logins.login(of: $0) }
    self.addresses += addresses
    try await eachLane { lane, channel in
      for index in stride(from: lane, to: addresses.count, by: Self.lanes) { try await Self.declare(addresses[index], on: channel) }
    }
    let began = ContinuousClock.now
    let consumers = try await connect(addresses, configurations)
    return (consumers, began.duration(to: .now))
  }

  private func connect(_ addresses: [AgentAddress], _ configurations: [ConnectionConfiguration]) async throws -> [Consumer] {
    try await withThrowingTaskGroup(of: [Consumer].self) { [loops] group in
      for lane in 0..<Self.lanes {
        group.addTask {
          var consumers: [Consumer] = []
          for index in stride(from: lane, to: addresses.count, by: Self.lanes) {
            try Task.checkCancellation()
            let agent = try await SimulatedAgent.connect(addresses[index], configurations[index], on: loops[index % loops.count])
            await self.remember(agent)
            consumers.append(try await agent.consume(addresses[index].queueName(generation: 1)))
          }
          return consumers
        }
      }
      var consumers: [Consumer] = []
      for try await part in group { consumers += part }
      return consumers
    }
  }

  private func remember(_ agent: SimulatedAgent) { agents.append(agent) }

  /// Waits; an agent whose connection breaks meanwhile ends it.
  private func hold(_ consumers: [Consumer]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { [hold = options.hold] group in
      for consumer in consumers {
        group.addTask {
          // Nobody sends commands: this ends by cancellation, or because the connection did.
          while true { _ = try await consumer.nextBatch() }
        }
      }
      group.addTask { try await Task.sleep(for: hold) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
