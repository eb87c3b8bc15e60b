import MySQL
import ServiceRuntime

/// Writes what happens to agents, and what follows from it, in the transaction of the change itself, and tells the rest of this process after the commit.
struct Announcer: Sendable {
  /// What a transaction wrote.
  struct Announcement: Sendable {
    fileprivate var eventCount = 0
    fileprivate var reactions: [ReactionReport] = []
  }

  /// Raised after the commit.
  var signals: WorkSignals?
  /// Told what reactions did.
  var logger: Logger?

  /// Writes all the same, and tells nobody: the relays and dispatchers look by themselves once a second.
  static let silent = Announcer()

  /// Writes events and the commands of the reactions to them, inside the caller's transaction, which holds the agents' rows. A reaction that is broken is
  /// told in the announcement; only what ends the transaction is thrown.
  static func announce(_ events: [AgentEvent], on connection: Connection) async throws -> Announcement {
    guard !events.isEmpty else { return Announcement() }
    try await FleetEvent.append(events.map { ($0.id, $0.event) }, on: connection)
    return Announcement(eventCount: events.count, reactions: try await ReactionRunner.run(events, on: connection))
  }

  /// To be called after the commit.
  func committed(_ announcement: Announcement) {
    guard announcement.eventCount > 0 else { return }
    signals?.events.raise()
    if announcement.reactions.contains(where: { $0.commandCount > 0 }) { signals?.dispatch.raise() }
    guard let logger else { return }
    for report in announcement.reactions {
      if let problem = report.problem {
        logger.error(problem)
      } else if report.heldBackCount > 0 || report.withoutTargetCount > 0 {
        logger.warning(report.summary)
      } else if report.commandCount > 0 {
        logger.info(report.summary)
      }
    }
  }
}
