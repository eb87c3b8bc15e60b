import FleetProtocol
import MySQL
import ServiceRuntime

/// How many agents, commands and events there are in the database.
struct FleetCounts: Sendable, Equatable {
  /// Agents by status, also by those that nobody has; what somebody wrote by hand counts as `unknown`.
  var agents: [FleetSnapshot.Count] = []
  /// Commands that have not ended, by status, also by those that none has.
  var commands: [FleetSnapshot.Count] = []
  /// Events that are not published yet.
  var waitingEvents = 0

  var readings: [MetricReading] {
    [MetricReading(.agents, agents), MetricReading(.commands, commands), MetricReading(.waitingEvents, Double(waitingEvents))]
  }

  /// Counts by three looks into indexes. Ended commands, of which there are ever more, are not looked at.
  static func read(on connection: Connection) async throws -> FleetCounts {
    var counts = FleetCounts()
    counts.agents = labelled(
      try await numbers("SELECT status, COUNT(*) AS number FROM agents GROUP BY status", on: connection),
      AgentStatus.allCases.map(\.rawValue))
    let open = CommandStatus.allCases.filter { !$0.isFinal }.map(\.rawValue)
    var sql: SQLText = "SELECT status, COUNT(*) AS number FROM commands WHERE status IN ("
    sql.append(list: open.map { .text($0) })
    sql.append(sql: ") GROUP BY status")
    counts.commands = labelled(try await numbers(sql, on: connection), open)
    counts.waitingEvents =
      try await connection.queryText("SELECT COUNT(*) AS number FROM fleet_events WHERE published_at IS NULL").first?.int("number") ?? 0
    return counts
  }

  private static func numbers(_ sql: SQLText, on connection: Connection) async throws -> [String: Int] {
    var numbers: [String: Int] = [:]
    for row in try await connection.queryText(sql) { numbers[try row.string("status")] = try row.int("number") }
    return numbers
  }

  private static func labelled(_ numbers: [String: Int], _ known: [String]) -> [FleetSnapshot.Count] {
    let unknown = numbers.filter { !known.contains($0.key) }.values.reduce(0, +)
    return known.map { FleetSnapshot.Count($0, numbers[$0] ?? 0) } + (unknown > 0 ? [FleetSnapshot.Count("unknown", unknown)] : [])
  }
}
