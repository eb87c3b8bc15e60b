import AMQP
import FleetProtocol

/// The queue of the heartbeats, as a benchmark needs it: for itself, empty, with nobody consuming.
struct HeartbeatQueue: Sendable {
  let broker: ConnectionConfiguration
  let loop: EventLoop

  func status() async throws -> QueueStatus { try await withChannel { try await $0.queueStatus(Topology.heartbeatsQueue) } }

  /// Throws when somebody else uses it.
  func requireUnused() async throws {
    let status = try await status()
    guard status.consumerCount == 0 else {
      throw BenchError("\(Topology.heartbeatsQueue) has \(status.consumerCount) consumers: stop the servers of this broker first")
    }
    guard status.messageCount == 0 else {
      throw BenchError(
        "\(Topology.heartbeatsQueue) holds \(status.messageCount) messages: let a server take them, or use a broker that nobody else is using"
      )
    }
  }

  /// Empties it; that it could not is said.
  func purge() async {
    do {
      _ = try await withChannel { try await $0.purgeQueue(Topology.heartbeatsQueue) }
    } catch {
      say("\(Topology.heartbeatsQueue) could not be emptied: \(error)")
    }
  }

  private func withChannel<Result: Sendable>(_ body: @Sendable (Channel) async throws -> Result) async throws -> Result {
    try await withConnection(broker, on: loop) { connection in try await body(try await connection.openChannel()) }
  }
}
