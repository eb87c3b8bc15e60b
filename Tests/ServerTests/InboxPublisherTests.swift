import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// The server's way to publish comes back by itself, whatever the broker closes.
@Suite struct InboxPublisherTests {
  private func withPublisher(_ body: @escaping @Sendable (Bench, Publisher) async throws -> Void) async throws {
    try await Bench.run(withoutServer: true) { bench in
      let loop = EventLoop(name: "publisher-test")
      defer { loop.stop() }
      let publisher = Publisher(Bench.configuration(bench.services, bench.virtualHost), on: loop, logger: bench.log.logger)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await publisher.run()
          // It returned by itself, which would end the server.
          throw UnexpectedVerdict(description: "the publisher gave up")
        }
        group.addTask {
          try await eventually { await publisher.state == .connected }
          try await body(bench, publisher)
          throw CancellationError()
        }
        defer { group.cancelAll() }
        do {
          try await group.next()
        } catch is CancellationError {
          return
        }
      }
    }
  }

  @Test func opensAnotherChannelWhenTheBrokerClosedIt() async throws {
    try await withPublisher { bench, publisher in
      // A broker without our exchanges yet: 404 closes the channel of whoever publishes.
      let early = await publisher.publish([DispatchWakeup.publication()])
      guard case .failure(let error) = try #require(early.first) else { throw UnexpectedVerdict(description: "published nowhere") }
      #expect(error.kind == .channelClosed(code: 404))
      try await ServerTopology.declare(on: try await bench.peer.channel())
      try await eventually { if case .success? = await publisher.publish([DispatchWakeup.publication()]).first { true } else { false } }
      #expect(await publisher.state == .connected)
    }
  }

  @Test func reconnectsAfterEveryLossAndNeverReturns() async throws {
    try await withPublisher { bench, publisher in
      for _ in 0..<4 {
        try await bench.services.rabbitmqctl("close_all_connections", "--vhost", bench.virtualHost, "a test")
        try await eventually("it is connected again") { await publisher.state == .connected }
      }
    }
  }
}
