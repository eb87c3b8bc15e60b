import AMQP
import FleetProtocol
import Server
import ServiceRuntime
import TestSupport
import Testing

/// `GET /metrics` of real servers.
@Suite struct MetricsTests {
  @Test func aServerCountsWhatItDoesForItsFleet() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await fleet.startAgent("agent-001", server)
      _ = try await fleet.startAgent("agent-002", server)
      let command = try await fleet.insertCommand(for: "agent-001")
      #expect(try await fleet.result(of: command).status == "succeeded")
      try await fleet.withChannel { channel in
        try await channel.enableConfirms()
        try await channel.publish(Publication(Message(body: Array("rubbish".utf8)), to: "", routingKey: Topology.heartbeatsQueue))
      }
      try await withMetrics { metrics in
        #expect(try await metrics.status("\(server.url)/api/agents/x/config", token: "abc12345-no-such-token") == 401)
        let page = try await metrics.page(of: server.url, "everything is counted") { page in
          page.value("spot_optimizer_commands_finished_total", ["status": "succeeded"]) == 1
            && page.value("spot_optimizer_messages_total", ["queue": Topology.heartbeatsQueue, "outcome": "dead_lettered"]) == 1
            && page.value("spot_optimizer_queue_messages", ["queue": Topology.deadLettersQueue]) == 1
            && page.value("spot_optimizer_agents", ["status": "online"]) == 2
            && page.value("spot_optimizer_commands", ["status": "queued"]) == 0
            && page.value("spot_optimizer_queue_consumers", ["queue": Topology.noticesQueue]) == 1
            && page.value("spot_optimizer_dispatched_commands_total", ["outcome": "queued"]) ?? 0 >= 1
            && page.value("spot_optimizer_dispatch_latency_seconds_count") ?? 0 >= 1
            && accepted(page, Topology.heartbeatsQueue) >= 4 && accepted(page, Topology.registerQueue) >= 2
            && accepted(page, Topology.resultsQueue) >= 1
        }
        expectCounts(page)
        #expect(page.value("spot_optimizer_http_requests_total", ["route": "/api/agents/{id}/config", "status": "401"]) == 1)
        #expect(page.value("spot_optimizer_auth_failures_total", ["reason": "invalid_token"]) == 1)
        // The server that does everything has every metric, and no other.
        #expect(Set(page.families.keys) == Set(MetricDescription.catalogue.map(\.name)))
        for metric in MetricDescription.catalogue {
          let family = try #require(page.families[metric.name])
          #expect(family.type == metric.kind.rawValue && family.help == metric.help)
          for sample in family.samples { #expect(Set(sample.labels.keys).subtracting(["le"]) == Set(metric.labels), "\(sample)") }
        }
        // Anybody may read it.
        for secret in [fleet.token, Fleet.clientID, "agent-00", fleet.virtualHost, fleet.database.password, "127.0.0.1"] {
          #expect(!page.text.contains(secret), "\(secret)")
        }
      }
    }
  }

  private func accepted(_ page: ParsedMetrics, _ queue: String) -> Double {
    page.value("spot_optimizer_messages_total", ["queue": queue, "outcome": "accepted"]) ?? 0
  }

  private func expectCounts(_ page: ParsedMetrics) {
    #expect(page.value("spot_optimizer_build_info", ["version": programVersion, "role": "all"]) == 1)
    #expect(page.value("spot_optimizer_messages_total", ["queue": Topology.heartbeatsQueue, "outcome": "refused"]) == 0)
    for queue in [Topology.registerQueue, Topology.heartbeatsQueue, Topology.resultsQueue] {
      for metric in ["batch_messages", "verify_duration_seconds", "commit_duration_seconds"] {
        #expect(page.value("spot_optimizer_\(metric)_count", ["queue": queue]) ?? 0 >= 1, "\(metric) \(queue)")
      }
    }
    for queue in [Topology.registerQueue, Topology.heartbeatsQueue, Topology.resultsQueue, Topology.noticesQueue] {
      #expect(page.value("spot_optimizer_queue_consumers", ["queue": queue]) == 1)
    }
    #expect(page.value("spot_optimizer_ingest_lag_seconds_count") ?? 0 >= 1)
    #expect(page.value("spot_optimizer_events_published_total", ["type": "command.succeeded"]) == 1)
    #expect(page.value("spot_optimizer_database_up") == 1 && page.value("spot_optimizer_database_pool_size") == 4)
    for connection in ["consume", "publish", "events"] {
      #expect(page.value("spot_optimizer_broker_connected", ["connection": connection]) == 1, "\(connection)")
    }
    #expect(page.labelValues("spot_optimizer_broker_blocked", "connection") == ["publish", "events"])
    #expect(page.value("spot_optimizer_agents", ["status": "offline"]) == 0)
  }

  @Test func aPortOfTheirOwnTakesTheMetricsFromTheFrontAndGivesAWorkerSome() async throws {
    try await withFleet { fleet in
      let front = try await fleet.startServer(role: "http", ["METRICS_PORT": "0"])
      let worker = try await fleet.startServer(role: "worker", ["METRICS_PORT": "0"])
      try await withMetrics { metrics in
        let ofFront = try await metricsURL(of: front)
        let ofWorker = try await metricsURL(of: worker)
        let before = try await metrics.page(of: ofFront, "the front is measured") {
          $0.value("spot_optimizer_database_up") == 1
            && $0.value("spot_optimizer_broker_connected", ["connection": "publish"]) == 1
        }
        #expect(try await metrics.status("\(front.url)/metrics") == 404)
        #expect(try await metrics.status("\(front.url)/health") == 200)
        let healthy = { (page: ParsedMetrics) in
          page.value("spot_optimizer_http_requests_total", ["route": "/health", "status": "200"]) ?? 0
        }
        let page = try await metrics.page(of: ofFront, "its answer is counted") { healthy($0) == healthy(before) + 1 }
        #expect(page.value("spot_optimizer_http_requests_total", ["route": "/metrics", "status": "404"]) == 1)
        #expect(page.families["spot_optimizer_queue_messages"] == nil && page.families["spot_optimizer_messages_total"] == nil)
        _ = try await metrics.page(of: ofWorker, "the worker is measured") { page in
          page.value("spot_optimizer_build_info", ["version": programVersion, "role": "worker"]) == 1
            && page.value("spot_optimizer_queue_consumers", ["queue": Topology.heartbeatsQueue]) == 1
            && page.value("spot_optimizer_agents", ["status": "online"]) == 0
        }
        // Nothing else is to be had there.
        for path in ["/", "/health", "/api/broker/credentials"] { #expect(try await metrics.status(ofWorker + path) == 404, "\(path)") }
        #expect(try await metrics.status("\(ofWorker)/metrics", method: "POST") == 405)
      }
      // Neither keeps a server from stopping in time.
      for server in [front, worker] { #expect(try await server.program.stopInGoodOrder().status == .exited(0)) }
    }
  }

  private func metricsURL(of server: Fleet.Server) async throws -> String {
    let line = try await server.program.waitForLine(containing: "Metrics are at http://", timeout: .seconds(60))
    let url = try #require(line.split(separator: " ").last)
    return String(url.dropLast("/metrics".count))
  }
}
