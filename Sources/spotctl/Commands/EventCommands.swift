import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl events`.
struct EventCommands {
  /// The most that `--limit` takes.
  private static let mostEvents = 10_000
  /// The longest `--since`, in seconds: what the table may still have of events that could not be published.
  private static let longestSpan = 366 * 86_400

  let store: FleetEventStore
  let clients: ClientCommands
  let environment: Environment
  let terminal: Terminal

  func run(_ invocation: Invocation) async throws {
    var filter = FleetEventStore.Filter()
    if let text = invocation.values["--filter"] {
      do throws(EventPattern.Problem) {
        filter.pattern = try EventPattern(text)
      } catch {
        throw Failure(.usage, "\(error)")
      }
    }
    filter.within = try invocation.duration("--since", in: 1...Self.longestSpan)
    filter.limit = try invocation.integer("--limit", default: filter.limit, in: 1...Self.mostEvents)
    let follows = invocation.switches.contains("--follow")
    if follows, invocation.values["--limit"] != nil { throw Failure(.usage, "--limit means nothing with --follow") }
    if let word = invocation.values["--client"] { filter.clientID = try await clients.find(word).account.id }
    if follows {
      if filter.within != nil { filter.limit = Self.mostEvents }
      try await follow(filter)
    } else {
      try await list(filter, isLimited: invocation.values["--limit"] != nil)
    }
  }

  private func list(_ filter: FleetEventStore.Filter, isLimited: Bool) async throws {
    let listing = try await store.list(filter)
    if terminal.isJSON {
      try terminal.show(listing.rows.map { Record($0) }, empty: "")
    } else if listing.rows.isEmpty {
      try terminal.show([], empty: "No events.")
    } else {
      for event in listing.rows { try terminal.writeLine(EventLine.text(event)) }
    }
    for problem in listing.problems { terminal.remark("\(problem)") }
    if listing.rows.count == filter.limit, !isLimited {
      terminal.remark("only the newest \(filter.limit) are shown; see --limit, --since and --filter")
    }
  }

  private func follow(_ filter: FleetEventStore.Filter) async throws {
    let follower = EventFollower(
      store: store, filter: filter, configuration: try BrokerSettings(environment).connection(named: "spotctl events"), terminal: terminal)
    try await follower.run()
  }
}
