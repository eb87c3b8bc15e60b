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
