import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// Prints events as they happen: from a queue of its own at the broker, and, for the time before it was bound or while the broker was away, from the table.
struct EventFollower: Sendable {
  /// Events held unacknowledged.
  private static let prefetch: UInt16 = 500
  /// Events that wait for a terminal that takes none; then the oldest go, so that it fills no broker.
  private static let longestQueue: Int64 = 100_000
  /// Events read after a break.
  private static let mostMissed = 10_000

  let store: FleetEventStore
  let filter: FleetEventStore.Filter
  let configuration: ConnectionConfiguration
  let terminal: Terminal

  /// Follows until the task is cancelled. Throws when the broker cannot be reached at the start, and when standard output takes no more.
  func run() async throws {
    let loop = EventLoop(name: "events")
    defer { loop.stop() }
    let progress = Lock(EventProgress(after: try await store.newestSeq()))
    if filter.within != nil {
      for event in try await store.list(filter).rows { try show(event, progress) }
    }
    let hasConnected = Lock(false)
    try await Reconnector(ceiling: .seconds(10)).run(
      connect: { try await AMQP.Connection.open(configuration, on: loop) },
      onFailure: { failure in
        guard let error = failure.error as? AMQPError else { throw failure.error }
        guard hasConnected.withLock({ $0 }) else {
          throw Failure(.cannotReach, "the broker \(configuration.displayAddress) cannot be reached: \(error) (check AMQP_URL)")
        }
        terminal.remark("the broker is away: \(error) - retrying in \(failure.delay.shortText); what happens meanwhile is shown afterwards")
      },
      work: { connection, healthy in
        let channel = try await connection.openChannel()
        let consumer = try await subscribe(on: channel)
        healthy()
        let isBack = hasConnected.withLock { hasConnected in
          defer { hasConnected = true }
          return hasConnected
        }
        if isBack { terminal.remark("the broker is back") }
        try await catchUp(progress)
        while true {
          let deliveries = try await consumer.nextBatch()
          for delivery in deliveries {
            guard let event = CloudEvent.event(of: delivery.message), isWanted(event) else { continue }
            try show(event, progress)
          }
          if let last = deliveries.last { try await channel.acknowledge(last.deliveryTag, multiple: true) }
        }
      })
  }

  private func subscribe(on channel: Channel) async throws(AMQPError) -> Consumer {
    // As the server declares it, which may not have been there yet.
    try await channel.declareExchange(Topology.eventsExchange, kind: Topology.ExchangeKind.topic.rawValue)
    let queue = try await channel.declareQueue(
      "", durable: false, exclusive: true, autoDelete: true, arguments: ["x-max-length": .int(Self.longestQueue)])
    try await channel.bindQueue(queue.name, to: Topology.eventsExchange, routingKey: filter.pattern.description)
    try await channel.setPrefetch(Self.prefetch)
    return try await channel.consume(queue.name, exclusive: true)
  }

  /// Shows what the table has and the broker did not bring. What cannot be read is said: then events may be missing.
  private func catchUp(_ progress: Lock<EventProgress>) async throws {
    var missed = filter
    missed.within = nil
    missed.limit = Self.mostMissed
    missed.afterSeq = progress.withLock { $0.resumeAfter }
    let listing: Listing<StoredEvent>
    do {
      listing = try await store.list(missed)
    } catch let error as MySQLError {
      terminal.remark("events may have been missed, the database cannot be asked for them: \(error)")
      return
    }
    if listing.rows.count == Self.mostMissed {
      terminal.remark("events were missed: only the newest \(Self.mostMissed) of them are shown; see: spotctl events --since")
    }
    for event in listing.rows { try show(event, progress) }
  }

  private func isWanted(_ event: StoredEvent) -> Bool { filter.clientID == nil || filter.clientID == event.clientID }

  private func show(_ event: StoredEvent, _ progress: Lock<EventProgress>) throws {
    guard progress.withLock({ $0.isNews(event) }) else { return }
    try terminal.writeLine(terminal.isJSON ? try Rendering.jsonLine(Record(event)) : EventLine.text(event))
  }
}
