import HTTP
import ServiceRuntime

/// Asks a server for its health, again and again, as a load balancer does.
final class HealthProbe: Sendable {
  private static let interval = Duration.milliseconds(100)

  private let url: String
  private let state = Lock<(took: [Duration], others: Int)>(([], 0))

  init(_ server: ServerProcess.Start) { url = "\(server.url)/health" }

  /// Asks until the task is cancelled.
  func run() async throws {
    let client = HTTPClient(userAgent: "fleet-bench/\(programVersion)")
    defer { client.close() }
    while true {
      try await Task.sleep(for: Self.interval)
      let began = ContinuousClock.now
      let answer = try await client.send(HTTPClientRequest(url: url, bypassesProxy: true))
      let took = began.duration(to: .now)
      state.withLock { state in
        state.took.append(took)
        if answer.status != 200 { state.others += 1 }
      }
    }
  }

  /// How long the answers took, and how many were not 200, since the last call.
  func take() -> (took: Durations, others: Int) {
    state.withLock { state in
      defer { state = ([], 0) }
      return (Durations(state.took), state.others)
    }
  }
}
