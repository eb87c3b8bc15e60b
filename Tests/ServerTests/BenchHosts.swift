import ServiceRuntime
import TestSupport

/// Vhosts of the shared broker, one for each bench: made many at once, because `rabbitmqctl` takes seconds to start.
actor BenchHosts {
  static let shared = BenchHosts()
  private static let atOnce = 12

  private var free: [String] = []
  private var made = 0
  private var making: Task<Void, any Error>?

  func take(_ services: LocalServices) async throws -> String {
    while true {
      if let host = free.popLast() { return host }
      // Not in a group: whoever comes meanwhile waits for it too, and none of them owns it.
      let making = making ?? Task { try await makeMore(services) }
      self.making = making
      try await making.value
    }
  }

  /// Forgets itself before it ends: who waits for it must find the hosts there and not wait for it again.
  private func makeMore(_ services: LocalServices) async throws {
    defer { making = nil }
    let names = (made..<(made + Self.atOnce)).map { "bench-\($0)" }
    made += Self.atOnce
    try await Self.make(names, services)
    free += names.reversed()
  }

  private static func make(_ names: [String], _ services: LocalServices) async throws {
    let list = names.map { "<<\"\($0)\">>" }.joined(separator: ",")
    let everything = "<<\".*\">>"
    try await services.rabbitmqctl(
      "eval",
      "[begin rabbit_vhost:add(V, <<\"tests\">>), rabbit_auth_backend_internal:set_permissions(<<\"\(services.user)\">>, V, \(everything), "
        + "\(everything), \(everything), <<\"tests\">>) end || V <- [\(list)]].")
  }
}
