import FleetProtocol
import ServiceRuntime

/// The guide's connectivity check: can the server be reached, before anything else is tried.
struct StartupCheck: Sendable {
  private static let rule = String(repeating: "=", count: 60)

  private let settings: AgentSettings
  private let log: Logger

  init(_ settings: AgentSettings, log: Logger) {
    self.settings = settings
    self.log = log
  }

  /// Asks the server for its health, three times at most, and writes the guide's banner.
  ///
  /// Throws `AgentExit.startupFailed` after the error lines and what to look at, or `CancellationError`.
  func run(_ api: ServerAPI, _ retry: StartupRetry) async throws {
    log.banner([
      Self.rule, "AGENT STARTUP - SERVER CONNECTIVITY CHECK", Self.rule, "Server URL: \(settings.serverURL)",
      "Client Token: \(settings.clientToken.preview)",
    ])
    do {
      try await retry.run { () async throws(ServerFailure) in try await api.health() }
    } catch let failure as ServerFailure {
      log.banner(Self.diagnosis(failure, settings.serverURL))
      throw AgentExit.startupFailed
    }
    log.banner(["✓ Server is reachable (health check passed)", Self.rule])
  }

  /// What to look at: the way to the server, or what somebody who answered there said.
  private static func diagnosis(_ failure: ServerFailure, _ url: ServerURL) -> [String] {
    if case .failed(_, .refused(_, let code, _)) = failure {
      return [
        "✗ Server answers with \(code) (health check failed)", "What to check:", "  - what it says: curl -i \(url)/health",
        code == 503
          ? "  - on the server, its database and broker: spotctl doctor"
          : "  - that SPOT_OPTIMIZER_SERVER_URL is the server's address, and that no other program answers there", rule,
      ]
    }
    return [
      "✗ Server is not reachable (health check failed)", "What to check:", "  - that the server runs and is healthy: curl -i \(url)/health",
      "  - that SPOT_OPTIMIZER_SERVER_URL is its address, and that its name can be resolved",
      "  - that security groups, network ACLs and proxies let this machine reach its port", rule,
    ]
  }
}
