import AMQP
import FleetProtocol
import ServiceRuntime

/// `fleet-bench priorities`: what the priorities of agents' queues (`x-max-priority`) cost, against the same queues without.
actor PriorityBenchmark: Benchmark {
  /// Rounds of publishing and consuming, each kind in turn; the best of each counts, for a machine does other things.
  private static let rounds = 3
  private static let batch = 500
  private static let prefetch: UInt16 = 200
  /// About what a signed command has.
  private static let bodyBytes = 400

  private enum Kind: String, CaseIterable {
    case plain = "without priorities"
    case priorities = "with priorities"

    func arguments(highest: Int) -> FieldTable {
      let expiry: FieldTable = ["x-expires": .int(Topology.agentQueueExpiryMilliseconds)]
      guard self == .priorities else { return expiry }
      return ["x-expires": .int(Topology.agentQueueExpiryMilliseconds), "x-max-priority": .int(Int64(highest))]
    }
  }

  private struct Rates {
    var published = 0.0
    var consumed = 0.0
  }

  private let options: PriorityOptions
  private let settings: BenchSettings
  private let loop = EventLoop(name: "amqp-bench")
  private let prefix = "fleet-bench.\(randomUUID().prefix(8))"
  private var declared: [String] = []

  init(_ options: PriorityOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
  }

  func run() async throws {
    let memory = settings.rabbitmqctl.map { BrokerMemory(command: $0) }
    try await withConnection(settings.broker.connection(named: "fleet-bench priorities"), on: loop) { connection in
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      for kind in Kind.allCases { try await self.measureMemory(kind, channel, memory) }
      var best: [Kind: Rates] = [:]
      for round in 0..<Self.rounds {
        for kind in Kind.allCases {
          let rates = try await self.measureRates(kind, round, connection, channel)
          best[kind, default: Rates()].published = max(best[kind]?.published ?? 0, rates.published)
          best[kind, default: Rates()].consumed = max(best[kind]?.consumed ?? 0, rates.consumed)
        }
      }
      for kind in Kind.allCases {
        guard let rates = best[kind] else { continue }
        report("published/s \(kind.rawValue)", "\(decimal(rates.published, 0)) (persistent, mandatory, confirmed, to one queue)")
        report("consumed/s \(kind.rawValue)", "\(decimal(rates.consumed, 0)) (prefetch \(Self.prefetch), acknowledged)")
      }
    }
  }

  func cleanUp() async {
    let queues = declared
    do {
      try await withConnection(settings.broker.connection(named: "fleet-bench clean up"), on: loop) { connection in
        let channel = try await connection.openChannel()
        for queue in queues { try await channel.deleteQueue(queue) }
      }
    } catch {
      say("queues that begin with \(prefix) could not be deleted, and expire in seven days: \(error)")
    }
    loop.stop()
  }

  private func declare(_ name: String, _ kind: Kind, _ channel: Channel) async throws {
    declared.append(name)
    _ = try await channel.declareQueue(name, arguments: kind.arguments(highest: options.highest))
  }

  /// Empty queues, as a fleet's are most of the time.
  private func measureMemory(_ kind: Kind, _ channel: Channel, _ memory: BrokerMemory?) async throws {
    guard let memory else { return report("broker's memory a queue", "not measured: RABBITMQCTL is not set") }
    // The first queues cost what the broker loads once.
    for index in 0..<50 { try await declare("\(prefix).\(kind).first.\(index)", kind, channel) }
    let before = try await memory.measure()
    say("declaring \(options.queues) queues \(kind.rawValue)")
    for index in 0..<options.queues { try await declare("\(prefix).\(kind).\(index)", kind, channel) }
    let after = try await memory.measure()
    let bytes = Double(after.afterCollection - before.afterCollection) / Double(options.queues)
    report("memory a queue \(kind.rawValue)", "\(decimal(bytes / 1024, 1)) KiB (empty, after a garbage collection)")
  }

  private func measureRates(_ kind: Kind, _ round: Int, _ connection: Connection, _ channel: Channel) async throws -> Rates {
    let queue = "\(prefix).\(kind).rate.\(round)"
    try await declare(queue, kind, channel)
    let levels = [0, 1, 1, 1, 2, 3, 4].map { UInt8($0) }
    let body = [UInt8](repeating: UInt8(ascii: "x"), count: Self.bodyBytes)
    let messages = (0..<options.messages).map { index in
      var message = Message(body: body, type: "command", messageID: "\(round)-\(index)")
      message.priority = levels[index % levels.count]
      return Publication(message, to: "", routingKey: queue)
    }
    var rates = Rates()
    let began = ContinuousClock.now
    for start in stride(from: 0, to: messages.count, by: Self.batch) {
      for result in await channel.publish(Array(messages[start..<min(start + Self.batch, messages.count)])) { try result.get() }
    }
    rates.published = Double(messages.count) / began.duration(to: .now).inSeconds
    let consuming = try await connection.openChannel()
    try await consuming.setPrefetch(Self.prefetch)
    let start = ContinuousClock.now
    let consumer = try await consuming.consume(queue)
    var count = 0
    while count < messages.count {
      let deliveries = try await consumer.nextBatch()
      count += deliveries.count
      if let last = deliveries.last { try await consuming.acknowledge(last.deliveryTag, multiple: true) }
    }
    rates.consumed = Double(count) / start.duration(to: .now).inSeconds
    await consuming.close()
    return rates
  }
}
