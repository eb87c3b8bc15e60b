import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// Simulated agents that take commands, and the writing of those: the measurement that `dispatch` and `grow` share.
actor CommandFleet {
  /// Agents that connect, or leave, at the same time; each login blocks a thread of its own.
  static let lanes = 32
  /// Those that write commands side by side.
  private static let writers = 8
  /// Between two commands, whatever became of those before: a slow one must not keep the next from being measured.
  private static let interval = Duration.milliseconds(20)
  /// How long commands may take to arrive.
  private static let limit = Duration.seconds(60)

  /// An agent that takes commands.
  private struct Member: Sendable {
    let agent: SimulatedAgent
    let registration: RegistrationReply
    let commands: Consumer
  }

  private let count: Int
  private let settings: BenchSettings
  private let broker: ConnectionConfiguration
  private let pool: Pool
  private let loops: [EventLoop]
  private let log = CommandLog()
  private var fleet: BenchFleet?
  private var members: [Member] = []
  private var connections: [AMQP.Connection] = []
  private var queues: [String] = []

  /// `count` agents of a client of their own, on these loops; `broker` is the login of whoever wakes the dispatchers.
  init(_ count: Int, _ settings: BenchSettings, _ broker: ConnectionConfiguration, _ pool: Pool, on loops: [EventLoop]) {
    self.count = count
    self.settings = settings
    self.broker = broker
    self.pool = pool
    self.loops = loops
  }

  /// Connects them and lets them register at the server that runs.
  func register() async throws {
    let logins = try AgentLogins(settings)
    let fleet = try await BenchFleet.create(pool, agents: 0)
    self.fleet = fleet
    members = try await withThrowingTaskGroup(of: [Member].self) { [loops, count] group in
      for lane in 0..<Self.lanes {
        group.addTask {
          var members: [Member] = []
          for index in stride(from: lane, to: count, by: Self.lanes) {
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

  /// Lets all work until `body` has ended, or one of them cannot go on.
  func work(during body: @escaping @Sendable () async throws -> Void) async throws {
    guard let token = fleet?.token else { return }
    try await withThrowingTaskGroup(of: Void.self) { [log, members] group in
      for member in members {
        group.addTask {
          try await member.agent.work(member.commands, member.registration, token: token) { log.arrived($0.id) }
        }
      }
      group.addTask(operation: body)
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Closes the connections, and takes away the queues and everything in the database.
  func cleanUp() async {
    let connections = connections
    await withTaskGroup(of: Void.self) { group in
      for lane in 0..<Self.lanes {
        group.addTask { for index in stride(from: lane, to: connections.count, by: Self.lanes) { await connections[index].close() } }
      }
    }
    await deleteQueues(queues, settings, on: loops[0])
    await fleet?.remove()
  }

  private func remember(_ connection: AMQP.Connection) { connections.append(connection) }
  private func remember(_ queue: String) { queues.append(queue) }
  private var agentIDs: [String] { members.map(\.registration.agentID) }

  // MARK: Commands

  /// Writes a command for one agent after the other at an even pace while `goesOn` says so of its number, and waits until all have arrived: how long each took.
  nonisolated func trickle(while goesOn: @escaping @Sendable (Int) -> Bool) async throws -> Durations {
    let agentIDs = await agentIDs
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
  nonisolated func flood(_ count: Int) async throws -> (delivered: Duration, stored: Duration) {
    let agentIDs = await agentIDs
    let limit = Self.limit + .seconds(count / 100)
    log.reset()
    let drafts = (0..<count).map { CommandDraft(agentID: agentIDs[$0 % agentIDs.count], clientID: nil, commandType: "ping") }
    try await CommandStore(pool).insert(drafts)
    let committed = ContinuousClock.now
    try await withWakeups { try await $0.publish(DispatchWakeup.publication()) }
    let delivered = committed.duration(to: try await log.waitForArrivals(count, within: limit))
    try await waitForResults(within: limit - delivered)
    return (delivered, committed.duration(to: .now))
  }

  /// Waits until the results of all commands are stored.
  nonisolated func waitForResults(within limit: Duration = limit) async throws {
    let deadline = ContinuousClock.now + limit
    while try await unfinished() > 0 {
      guard ContinuousClock.now < deadline else { throw BenchError("not all results were stored within \(limit.shortText)") }
      try await Task.sleep(for: .milliseconds(100))
    }
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
}
