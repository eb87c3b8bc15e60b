import HTTP
import MySQL
import ServiceRuntime

/// The page that `GET /metrics` answers: what this process has counted, and what database and broker say at most every few seconds.
///
/// It holds no token, no address and no name of a client or agent: anybody who reaches the port may read it.
struct MetricsPage: Sendable {
  /// The path of the page.
  static let path = "/metrics"

  private let metrics: ServerMetrics
  private let pool: Pool
  private let database: DatabaseCensus
  private let queues: QueueCensus

  /// A page about this process, whose work is done with `pool`; `queues` is looked at by its worker, if it is one.
  init(_ metrics: ServerMetrics, pool: Pool, queues: QueueCensus, logger: Logger) {
    self.metrics = metrics
    self.pool = pool
    self.queues = queues
    database = DatabaseCensus(pool.configuration, logger: logger)
  }

  /// Looks at the database for whoever asks for the page, until the task is cancelled.
  func run() async { await database.run() }

  /// The page now. Answers also while database and broker are away, without what only they know.
  func answer() async -> HTTPResponse {
    async let fleet = database.readings
    async let waiting = queues.readings
    let readings = await metrics.readings + poolReadings + fleet + waiting + ProcessFigures.readings()
    let order = Dictionary(uniqueKeysWithValues: MetricDescription.catalogue.enumerated().map { ($0.element.name, $0.offset) })
    let sorted = readings.sorted { order[$0.description.name, default: .max] < order[$1.description.name, default: .max] }
    return HTTPResponse(
      status: 200, headers: ["Content-Type": MetricsText.contentType, "Cache-Control": "no-store"],
      body: Array(MetricsText.page(sorted).utf8))
  }

  private var poolReadings: [MetricReading] {
    let usage = pool.usage
    return [
      MetricReading(.poolConnections, [("in_use", usage.inUse), ("idle", usage.idle), ("connecting", usage.connecting)]),
      MetricReading(.poolSize, Double(usage.size)), MetricReading(.poolWaiting, Double(usage.waiting)),
    ]
  }
}
