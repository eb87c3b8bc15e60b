import ServiceRuntime
import TestSupport
import Testing

@testable import AMQP

@Suite struct ReconnectorTests {
  @Test func workGoesOnAfterTheBrokerRestarted() async throws {
    let services = try await LocalServices.separate()
    let loop = EventLoop(name: "reconnect-loop")
    defer { loop.stop() }
    let configuration = ConnectionConfiguration(
      try BrokerURL(services.amqpURL, name: "AMQP_URL"), defaultVirtualHost: "/", connectionName: "reconnect")
    let opened = Lock(0)
    let failures = Lock<[String]>([])
    let keeper = Task {
      try await Reconnector(ceiling: .seconds(1)).run(
        connect: { try await Connection.open(configuration, on: loop) },
        onFailure: { failure in failures.withLock { $0.append("\(failure.error)") } },
        work: { connection, healthy in
          _ = try await connection.openChannel()
          opened.withLock { $0 += 1 }
          healthy()
          try await Task.sleep(for: .seconds(600))
        })
    }
    try await eventually("the first connection is up") { opened.withLock { $0 } == 1 }
    try await services.restartBroker()
    try await eventually("a second connection is up") { opened.withLock { $0 } == 2 }
    #expect(failures.withLock { $0.isEmpty } == false)
    keeper.cancel()
    await #expect(throws: CancellationError.self) { try await keeper.value }
    try await services.stop()
  }

  @Test func failuresAreCountedUntilTheWorkIsHealthy() async throws {
    try await BrokerFixture.run { fixture in
      let configuration = try fixture.configuration { $0.port = 1 }
      let counts = Lock<[Int]>([])
      struct Enough: Error {}
      await #expect(throws: Enough.self) {
        try await Reconnector(ceiling: .milliseconds(10)).run(
          connect: { try await Connection.open(configuration, on: fixture.loop) },
          onFailure: { failure in
            counts.withLock { $0.append(failure.count) }
            if failure.count == 3 { throw Enough() }
          },
          work: { _, _ in })
      }
      #expect(counts.withLock { $0 } == [1, 2, 3])
    }
  }
}
