import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// The page for Prometheus, without a server.
@Suite struct MetricsTextTests {
  private let counted = MetricDescription("shop_visits_total", .counter, labels: ["door"], "Visits.")
  private let timed = MetricDescription("shop_visit_seconds", .histogram, labels: ["door"], "Length of a visit.")

  @Test func aPageHasHelpTypeAndASampleForEachSetOfLabels() throws {
    let text = MetricsText.page([
      MetricReading(counted, [("east", 3), ("west", 0)]),
      MetricReading(MetricDescription("shop_open", .gauge, "Whether \\ it is\nopen."), 1),
      MetricReading(MetricDescription("shop_nothing", .gauge, labels: ["door"], "Left out."), [(label: String, number: Int)]()),
    ])
    #expect(
      text == """
        # HELP shop_visits_total Visits.
        # TYPE shop_visits_total counter
        shop_visits_total{door="east"} 3
        shop_visits_total{door="west"} 0
        # HELP shop_open Whether \\\\ it is\\nopen.
        # TYPE shop_open gauge
        shop_open 1

        """)
    let page = try ParsedMetrics(text)
    #expect(page.value("shop_visits_total", ["door": "east"]) == 3 && page.families.count == 2)
  }

  @Test func labelValuesOfAnyKindComeThrough() throws {
    let wild = "a\"b\\c\nd{e}=,ü \u{1F600}"
    let page = try ParsedMetrics(MetricsText.page([MetricReading(counted, [(wild, 7)])]))
    #expect(page.value("shop_visits_total", ["door": wild]) == 7)
  }

  @Test func numbersReadAsTheyWere() throws {
    for (number, text) in [
      (0, "0"), (12, "12"), (-3, "-3"), (0.1, "0.1"), (0.00005, "5e-05"), (1e15, "1000000000000000"), (1e300, "1e+300"),
      (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
    ] as [(Double, String)] {
      #expect(MetricsText.number(number) == text)
    }
  }

  @Test func bucketsAreCumulativeAndTheLastOneHasEverything() throws {
    let family = MetricFamily(timed) { Histogram(HistogramBuckets(bounds: [0.1, 1, 10])) }
    let east = family.member("east")
    for value in [0.05, 0.1, 0.5, 5, 50, 500] { east.observe(value) }
    family.member("west").observe(all: [0.2, 0.3])
    family.member("west").observe(.seconds(-5))
    let text = MetricsText.page([family.reading])
    let page = try ParsedMetrics(text)
    let buckets = ["0.1": 2.0, "1": 3, "10": 4, "+Inf": 6]
    for (bound, count) in buckets { #expect(page.value("shop_visit_seconds_bucket", ["door": "east", "le": bound]) == count, "\(bound)") }
    #expect(page.value("shop_visit_seconds_sum", ["door": "east"]) == 555.65)
    #expect(page.value("shop_visit_seconds_count", ["door": "east"]) == 6)
    #expect(page.value("shop_visit_seconds_bucket", ["door": "west", "le": "0.1"]) == 1, "a time before its beginning counts as none")
    #expect(page.value("shop_visit_seconds_sum", ["door": "west"]) == 0.5)
  }

  @Test func countingFromManyTasksLosesNothing() async throws {
    let family = MetricFamily(timed) { Histogram(.work) }
    let counter = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<1000 {
            counter.add()
            family.member("east").observe(0.5)
          }
        }
      }
    }
    #expect(counter.number == 8000)
    let page = try ParsedMetrics(MetricsText.page([family.reading]))
    #expect(page.value("shop_visit_seconds_count", ["door": "east"]) == 8000)
  }

  @Test(arguments: [
    "a 1", "# TYPE a gauge\na 1\n", "# HELP a x\n# TYPE a gauge\na 1\na 2\n", "# HELP a x\n# TYPE a counter\na 1\n",
    "# HELP a x\n# TYPE a gauge\nb 1\n", "# HELP a x\n# TYPE a gauge\na{b=\"c} 1\n", "# HELP a x\n# TYPE a gauge\na{b=\"c\"} one\n",
    "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
    "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
    "# HELP a x\n# TYPE a gauge\na 1\n# HELP b x\n# TYPE b gauge\nb 1\n# HELP a x\n",
  ])
  func theReaderOfTheseTestsFindsWhatIsWrong(_ text: String) {
    #expect(throws: ParsedMetrics.SyntaxError.self) { try ParsedMetrics(text) }
  }

  /// As `promtool check metrics` wants them.
  @Test func everyNameOfTheCatalogueIsThereOnceAndEndsInItsUnit() {
    let all = MetricDescription.catalogue
    #expect(Set(all.map(\.name)).count == all.count)
    for metric in all {
      #expect(metric.name.hasPrefix("spot_optimizer_") || metric.name.hasPrefix("process_"), "\(metric.name)")
      #expect((metric.kind == .counter) == metric.name.hasSuffix("_total"), "\(metric.name)")
      #expect(metric.help.hasSuffix("."), "\(metric.name)")
      for label in metric.labels { #expect(!["le", "client", "agent", "token", "command"].contains(label), "\(metric.name) \(label)") }
    }
  }

  @Test func aMetricIsCountedUnderFewLabelsWhateverComes() throws {
    let metrics = ServerMetrics()
    let events = EventMetrics(metrics)
    for type in ["command.succeeded", "command.timed_out", "agent.online", "made.up", "another"] { events.count(published: type) }
    let refusals = AuthFailureMetrics(metrics)
    for status in ErrorStatus.allCases { refusals.count(status.text) }
    let page = try ParsedMetrics(MetricsText.page(metrics.readings))
    #expect(page.value("spot_optimizer_events_published_total", ["type": "other"]) == 2)
    #expect(page.value("spot_optimizer_events_published_total", ["type": "agent.online"]) == 1)
    #expect(page.value("spot_optimizer_commands_finished_total", ["status": "timed_out"]) == 1)
    #expect(page.value("spot_optimizer_commands_finished_total", ["status": "expired"]) == 0, "nought is on the page from the start")
    #expect(page.labelValues("spot_optimizer_commands_finished_total", "status").count == 6)
    #expect(page.value("spot_optimizer_auth_failures_total", ["reason": "invalid_token"]) == 1)
    #expect(page.value("spot_optimizer_auth_failures_total", ["reason": "other"]) == 3)
  }

  @Test func requestsAreCountedByRouteAndNotByPath() {
    func template(_ method: String, _ path: String) -> String {
      Route(method: method, segments: path.split(separator: "/").map(String.init)).template
    }
    #expect(template("GET", "/health") == "/health" && template("GET", "/metrics") == "/metrics")
    #expect(template("GET", "/api/agents/a-1/config") == "/api/agents/{id}/config")
    #expect(template("POST", "/api/agents/a-1/heartbeat") == "/api/agents/{id}/heartbeat")
    #expect(template("POST", "/api/agents/a-1/commands/c-1/executed") == "/api/agents/{id}/commands/{id}/executed")
    #expect(template("POST", "/api/agents/a-1/rebalance-recommendation") == "/api/agents/{id}/rebalance-recommendation")
    #expect(template("GET", "/wp-admin/setup.php") == "other" && template("DELETE", "/health") == "other")
  }
}
