import Foundation
import Server
import TestSupport
import Testing

/// docs/metrics.md and the files of ops/ say and use what there is.
@Suite struct MetricsDocumentTests {
  @Test func everyMetricIsListedOnceWithItsTypeAndLabelsAndNoOther() throws {
    let text = try String(contentsOfFile: "\(LocalServices.repository)/docs/metrics.md", encoding: .utf8)
    let section = text.components(separatedBy: "\n## Every metric")[1].components(separatedBy: "\n## ")[0]
    let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
      row.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map {
        $0.trimmingCharacters(in: .whitespaces).replacing("`", with: "")
      }
    }
    #expect(rows.map { $0[0] } == MetricDescription.catalogue.map(\.name))
    for (row, metric) in zip(rows, MetricDescription.catalogue) {
      try #require(row.count == 4, "\(row)")
      #expect(row[1] == metric.kind.rawValue && row[2] == metric.labels.joined(separator: ", ") && !row[3].isEmpty, "\(metric.name)")
    }
  }

  @Test func alertsAndDashboardAskForWhatAServerAnswers() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await withMetrics { metrics in
        // A line of requests comes with the first request.
        _ = try await metrics.text(of: server.url)
        let answer = try await metrics.page(of: server.url, "every metric is there") {
          Set($0.families.keys) == Set(MetricDescription.catalogue.map(\.name))
        }
        let page = "\(fleet.folder)/metrics.txt"
        try answer.text.write(toFile: page, atomically: true, encoding: .utf8)
        let check = try await Program.tool("\(LocalServices.repository)/script/check-monitoring", [page])
        #expect(try await check.waitForExit(timeout: .seconds(60)) == .exited(0), "\(check.output)")
      }
    }
  }
}
