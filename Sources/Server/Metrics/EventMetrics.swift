import FleetProtocol

/// What is counted of published events, and by them of the ends of commands: whoever ended one wrote the event of it.
struct EventMetrics: Sendable {
  private let published: [String: Counter]
  private let finished: [String: Counter]
  /// Types that somebody wrote by hand share one place.
  private let other: Counter

  init(_ metrics: ServerMetrics) {
    published = Dictionary(uniqueKeysWithValues: EventType.allCases.map { ($0.rawValue, metrics.publishedEvents.member($0.rawValue)) })
    finished = Dictionary(
      uniqueKeysWithValues: CommandStatus.allCases.filter(\.isFinal).map {
        ("command.\($0.rawValue)", metrics.finishedCommands.member($0.rawValue))
      })
    other = metrics.publishedEvents.member("other")
  }

  func count(published type: String) {
    (published[type] ?? other).add()
    finished[type]?.add()
  }
}
