import AMQP
import Diagnosis
import FleetProtocol
import HTTP
import ServiceRuntime

extension Examination {
  /// Name, port, TLS and `/health`, each told apart.
  mutating func lookAtServer() async throws {
    let url = "SPOT_OPTIMIZER_SERVER_URL"
    guard let settings, trouble(url) == nil else {
      serverTrouble = trouble(url) ?? "the variables cannot be used"
      return skip(["server name", "server port", "health"], because: serverTrouble ?? "")
    }
    if let proxy = ProxySetting.variable(for: settings.serverURL, doctor.environment) {
      skip(["server name", "server port"], because: "the proxy that \(proxy) names resolves and connects")
    } else if let problem = await reach(settings.serverURL) {
      serverTrouble = problem
      return report.skip("health", because: problem)
    }
    try await askForHealth(settings)
  }

  /// What follows needs what failed.
  mutating func skip(_ checks: [String], because reason: String) { for check in checks { report.skip(check, because: reason) } }

  /// Returns what stands in the way; `nil` when the port is open.
  private mutating func reach(_ url: ServerURL) async -> String? {
    let host = printable(url.host)
    var started = ContinuousClock.now
    do throws(ResolutionFailure) {
      let addresses = try await resolve(url.host)
      report.add(
        .pass("server name", "\(host) is \(addresses.joined(separator: ", ")), found in \(started.duration(to: .now).inMilliseconds)"))
    } catch {
      report.add(
        .fail(
          "server name", "\(host): \(error)",
          remedy: "correct SPOT_OPTIMIZER_SERVER_URL, or the resolver: getent hosts \(host); cat /etc/resolv.conf"))
      report.skip("server port", because: "the server's name has no address")
      return "the server's name has no address"
    }
    started = .now
    do throws(AMQPError) {
      let took = try await probeTCP(host: url.host, port: url.port, limit: doctor.limits.connect)
      report.add(.pass("server port", "\(url.port) is open, connected in \(took.inMilliseconds)"))
      return nil
    } catch {
      let took = started.duration(to: .now).inMilliseconds
      report.add(.fail("server port", "\(host):\(url.port): \(error), after \(took)", remedy: Self.remedy(port: url, error)))
      return "the server cannot be reached"
    }
  }

  /// Nobody listens, or nobody answers: two places to look at.
  private static func remedy(port url: ServerURL, _ error: AMQPError) -> String {
    if case .connect(errno: .some) = error.kind {
      return "on the server: systemctl start spot-optimizer-server; ss -ltn; or correct the port in SPOT_OPTIMIZER_SERVER_URL"
    }
    return "let this machine reach it (security groups, network ACLs, routes): nc -vz \(printable(url.host)) \(url.port)"
  }

  private mutating func askForHealth(_ settings: AgentSettings) async throws {
    let (url, limits) = (settings.serverURL, doctor.limits)
    let client = HTTPClient(
      userAgent: AgentVersion.product, connectTimeout: limits.connect, timeout: limits.answer, responseLimit: 65_536,
      caFile: settings.authorityFile)
    defer { client.close() }
    let asked = ContinuousClock.now
    do throws(HTTPClientError) {
      let response = try await client.send(HTTPClientRequest(url: url.appending("/health")))
      let answered = ContinuousClock.now
      if url.usesTLS { report.add(.pass("server TLS", "the certificate is good for \(printable(url.host))")) }
      let health = HealthAnswer(status: response.status, body: response.body)
      report.add(health.finding(url: url.appending("/health"), took: asked.duration(to: answered)))
      // Neither its clock is the server's, nor is the token meant for it.
      guard health.isSpotOptimizer else { return serverTrouble = "what answers is no Spot Optimizer" }
      // The header has whole seconds: in the middle of one is the least wrong.
      healthDate = response.headers["Date"].flatMap(HTTPDate.parse).map {
        ClockReading(serverTime: $0.advanced(by: .milliseconds(500)), asked: asked, answered: answered)
      }
    } catch {
      if case .tls = error.kind {
        serverTrouble = "TLS with the server fails"
        report.add(
          .fail(
            "server TLS", "\(error)",
            remedy: "set SPOT_OPTIMIZER_CA_FILE to the authority of the server's certificate, and look at it: "
              + "openssl s_client -connect \(printable(url.host)):\(url.port) -servername \(printable(url.host)); "
              + "or write http:// if it speaks no TLS"))
        return report.skip("health", because: "TLS with the server fails")
      }
      serverTrouble = "the server does not answer"
      report.add(.fail("health", "GET \(url)/health: \(error)", remedy: "on the server: spotctl doctor; from here: curl -i \(url)/health"))
    }
    try Task.checkCancellation()
  }
}
