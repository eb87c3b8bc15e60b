import FleetProtocol
import ServiceRuntime

/// What one server process counts and measures about itself. Counting costs nanoseconds, whether anybody reads the page or not.
public final class ServerMetrics: Sendable {
  let buildInfo = MetricFamily(.buildInfo) { Gauge() }
  let messages = MetricFamily(.messages) { Counter() }
  let batchMessages = MetricFamily(.batchMessages) { Histogram(.messages) }
  let verifyDuration = MetricFamily(.verifyDuration) { Histogram(.work) }
  let commitDuration = MetricFamily(.commitDuration) { Histogram(.waiting) }
  let ingestLag = MetricFamily(.ingestLag) { Histogram(.lag) }
  let dispatchedCommands = MetricFamily(.dispatchedCommands) { Counter() }
  let dispatchLatency = MetricFamily(.dispatchLatency) { Histogram(.waiting) }
  let finishedCommands = MetricFamily(.finishedCommands) { Counter() }
  let publishedEvents = MetricFamily(.publishedEvents) { Counter() }
  let authFailures = MetricFamily(.authFailures) { Counter() }
  let httpRequests = MetricFamily(.httpRequests) { Counter() }
  let httpRequestDuration = MetricFamily(.httpRequestDuration) { Histogram(.waiting) }
  let brokerConnected = MetricFamily(.brokerConnected) { Gauge() }
  let brokerBlocked = MetricFamily(.brokerBlocked) { Gauge() }

  /// Nothing has happened yet.
  public init() {}

  /// Everything that is counted, in no order.
  var readings: [MetricReading] {
    [
      buildInfo.reading, messages.reading, batchMessages.reading, verifyDuration.reading, commitDuration.reading, ingestLag.reading,
      dispatchedCommands.reading, dispatchLatency.reading, finishedCommands.reading, publishedEvents.reading, authFailures.reading,
      httpRequests.reading, httpRequestDuration.reading, brokerConnected.reading, brokerBlocked.reading,
    ]
  }
}

/// What is counted of one of the server's queues.
struct QueueMetrics: Sendable {
  let accepted: Counter
  let refused: Counter
  let deadLettered: Counter
  let batch: Histogram
  let verify: Histogram
  let commit: Histogram

  init(_ metrics: ServerMetrics, queue: String) {
    accepted = metrics.messages.member(queue, "accepted")
    refused = metrics.messages.member(queue, "refused")
    deadLettered = metrics.messages.member(queue, "dead_lettered")
    batch = metrics.batchMessages.member(queue)
    verify = metrics.verifyDuration.member(queue)
    commit = metrics.commitDuration.member(queue)
  }
}

/// What is counted of commands on their way to the broker.
struct DispatchMetrics: Sendable {
  let queued: Counter
  let postponed: Counter
  let undeliverable: Counter
  let latency: Histogram

  init(_ metrics: ServerMetrics) {
    queued = metrics.dispatchedCommands.member("queued")
    postponed = metrics.dispatchedCommands.member("postponed")
    undeliverable = metrics.dispatchedCommands.member("undeliverable")
    latency = metrics.dispatchLatency.member()
  }
}

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

/// What is known of one connection to the broker.
struct BrokerConnectionMetrics: Sendable {
  /// Which of the server's connections it is.
  enum Purpose: String, Sendable {
    case consume
    case publish
    case events
  }

  let connected: Gauge
  /// An alarm stops only connections that publish.
  let blocked: Gauge?

  init(_ metrics: ServerMetrics, _ purpose: Purpose) {
    connected = metrics.brokerConnected.member(purpose.rawValue)
    blocked = purpose == .consume ? nil : metrics.brokerBlocked.member(purpose.rawValue)
  }
}

/// What is counted of refusals for a token or a client.
struct AuthFailureMetrics: Sendable {
  private let byWords: [String: Counter]
  private let other: Counter

  init(_ metrics: ServerMetrics) {
    let reasons: [(ErrorStatus, String)] = [
      (.missingToken, "missing_token"), (.invalidToken, "invalid_token"), (.inactiveClient, "inactive_client"),
    ]
    byWords = Dictionary(uniqueKeysWithValues: reasons.map { ($0.text, metrics.authFailures.member($1)) })
    other = metrics.authFailures.member("other")
  }

  /// Counts a refusal with these words.
  func count(_ words: String) { (byWords[words] ?? other).add() }
}
