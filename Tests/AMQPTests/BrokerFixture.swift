import AMQP
import ServiceRuntime
import TestSupport

/// A loop and a way to log in to the suite's broker as the server.
struct BrokerFixture {
  let services: LocalServices
  let loop: EventLoop

  @discardableResult
  static func run<Result>(_ body: (BrokerFixture) async throws -> Result) async throws -> Result {
    let fixture = BrokerFixture(services: try await LocalServices.shared(), loop: EventLoop(name: "test-loop"))
    defer { fixture.loop.stop() }
    return try await body(fixture)
  }

  func configuration(_ change: (inout ConnectionConfiguration) -> Void = { _ in }) throws -> ConnectionConfiguration {
    var configuration = ConnectionConfiguration(
      try BrokerURL(services.amqpURL, name: "AMQP_URL"), defaultVirtualHost: "/", connectionName: "amqp-tests")
    change(&configuration)
    return configuration
  }

  /// Opens a connection, runs the body and closes it whatever happens.
  func withConnection<Result>(
    _ change: (inout ConnectionConfiguration) -> Void = { _ in }, _ body: (Connection) async throws -> Result
  ) async throws -> Result {
    let connection = try await Connection.open(try configuration(change), on: loop)
    do {
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }

  /// A channel with confirms and an exclusive queue that goes with the connection.
  func withQueue<Result>(_ body: (Channel, String) async throws -> Result) async throws -> Result {
    try await withConnection { connection in
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      let queue = try await channel.declareQueue("", durable: false, exclusive: true)
      return try await body(channel, queue.name)
    }
  }
}

/// Reads until `count` deliveries are there.
func read(_ count: Int, from consumer: Consumer) async throws -> [Delivery] {
  try await withDeadline(.seconds(30)) {
    var all: [Delivery] = []
    while all.count < count { all += try await consumer.nextBatch(upTo: count - all.count) }
    return all
  }
}
