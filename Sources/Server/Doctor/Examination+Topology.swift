import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// Whether exchanges and queues are there as the server declares them, and the bindings where `rabbitmqctl` can be asked.
  mutating func lookAtTopology() async throws {
    let check = "topology"
    let virtualHost = printable(settings?.broker.virtualHost ?? "")
    let facts = facts
    try await onBroker(check) { connection in
      var channel = try await connection.openChannel()
      var findings: [Finding] = []
      for part in TopologyPart.all {
        let problem: AMQPError?
        do throws(AMQPError) {
          try await part.check(channel)
          try await part.declare(channel)
          problem = nil
        } catch {
          guard case .channelClosed = error.kind else { throw error }
          problem = error
          channel = try await connection.openChannel()
        }
        if let problem { findings.append(part.finding(check, problem, virtualHost)) }
      }
      await channel.close()
      findings += Self.missingBindings(facts).map { binding in
        .fail(
          check, "\(binding.exchange) does not lead to \(binding.queue) (\(binding.routingKey))",
          remedy: "systemctl restart spot-optimizer-server (each worker declares it at its start)")
      }
      guard findings.isEmpty else { return findings }
      let bindings = facts == nil ? "bindings not seen without rabbitmqctl" : "\(Topology.bindings.count) bindings are there"
      return [
        .pass(check, "\(Topology.exchanges.count) exchanges and \(Topology.serverQueues.count) queues are as declared; \(bindings)")
      ]
    }
  }

  private static func missingBindings(_ facts: BrokerFacts?) -> [Topology.Binding] {
    guard let facts else { return [] }
    return Topology.bindings.filter { wanted in
      // A queue that is not there is told of already.
      guard facts.queues[wanted.queue] != nil else { return false }
      // `broker/definitions.json` binds the same with a pattern that is wider.
      let wide = "\(wanted.routingKey.prefix { $0 != "." }).#"
      return !facts.bindings.contains {
        $0.queue == wanted.queue && $0.exchange == wanted.exchange && [wanted.routingKey, wide].contains($0.routingKey)
      }
    }
  }
}

/// An exchange or a queue that the server needs.
private enum TopologyPart: Sendable {
  case exchange(Topology.Exchange)
  case queue(String)

  static var all: [TopologyPart] { Topology.exchanges.map { .exchange($0) } + Topology.serverQueues.map { .queue($0) } }

  /// Whether it is there: 404 when it is not. Before `declare`, which would make it.
  func check(_ channel: Channel) async throws(AMQPError) {
    switch self {
    case .exchange(let exchange): try await channel.checkExchange(exchange.name)
    case .queue(let name): _ = try await channel.queueStatus(name)
    }
  }

  /// Whether it is of the right kind: 406 when it is not. What is there already is not changed.
  func declare(_ channel: Channel) async throws(AMQPError) {
    switch self {
    case .exchange(let exchange): try await ServerTopology.declare(exchange, on: channel)
    case .queue(let name): try await ServerTopology.declare(queue: name, on: channel)
    }
  }

  func finding(_ check: String, _ error: AMQPError, _ virtualHost: String) -> Finding {
    let (what, name): (String, String) =
      switch self {
      case .exchange(let exchange): ("exchange", exchange.name)
      case .queue(let name): ("queue", name)
      }
    let restart = "systemctl restart spot-optimizer-server (each worker declares it at its start)"
    switch error.kind {
    case .channelClosed(code: 404): return .fail(check, "the \(what) \(name) is not there: \(error.message)", remedy: restart)
    case .channelClosed(code: 403):
      return .fail(
        check, "the \(what) \(name): \(error.message)",
        remedy: "rabbitmqctl set_permissions -p '\(virtualHost)' '<the user of AMQP_URL>' '.*' '.*' '.*'")
    default:
      let exchange = "rabbit_misc:r(<<\"\(virtualHost)\">>, exchange, <<\"\(name)\">>)"
      let removal =
        what == "queue"
        ? "rabbitmqctl delete_queue -p '\(virtualHost)' \(name)"
        : "rabbitmqctl eval 'rabbit_exchange:delete(\(exchange), false, <<\"operator\">>).'"
      return .fail(check, "the \(what) \(name) is of another kind: \(error.message)", remedy: "\(removal) && \(restart)")
    }
  }
}
