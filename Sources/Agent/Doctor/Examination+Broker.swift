import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// Each broker's port, then TLS and login at the first that lets us in.
  mutating func lookAtBroker() async throws {
    let checks = ["broker", "broker login"]
    guard let settings, let (reply, address) = credential else {
      brokerTrouble = credentialTrouble
      return skip(checks, because: credentialTrouble)
    }
    var endpoints: [Endpoint] = []
    do throws(ConfigurationError) {
      for url in reply.brokers {
        endpoints.append(Endpoint(broker: try BrokerURL(url, name: "brokers"), virtualHost: reply.vhost, address: address))
      }
    } catch {
      return skip(checks, because: "\(error)")
    }
    let open = await reach(endpoints)
    try Task.checkCancellation()
    guard !open.isEmpty else { return report.skip("broker login", because: brokerTrouble) }
    try await logIn(to: open, reply, settings)
  }

  /// Those whose port is open. One that is not is a warning while there is another: an agent tries them all.
  private mutating func reach(_ endpoints: [Endpoint]) async -> [Endpoint] {
    let limit = doctor.limits.connect
    let results = await withTaskGroup(of: (Int, Result<Duration, AMQPError>).self) { group in
      for (index, endpoint) in endpoints.enumerated() {
        group.addTask {
          do throws(AMQPError) {
            return (index, .success(try await probeTCP(host: endpoint.broker.host, port: endpoint.broker.port, limit: limit)))
          } catch {
            return (index, .failure(error))
          }
        }
      }
      var results: [Int: Result<Duration, AMQPError>] = [:]
      for await (index, result) in group { results[index] = result }
      return results
    }
    var open: [Endpoint] = []
    for (index, endpoint) in endpoints.enumerated() { if case .success = results[index] { open.append(endpoint) } }
    for (index, endpoint) in endpoints.enumerated() {
      switch results[index] {
      case .success(let took):
        report.add(.pass("broker", "\(endpoint.broker): port \(endpoint.broker.port) is open, connected in \(took.inMilliseconds)"))
      case .failure(let error): report.add(BrokerFinding.unreachable(endpoint.broker, error, isOnlyOne: open.isEmpty))
      case nil: continue
      }
    }
    return open
  }

  private mutating func logIn(to endpoints: [Endpoint], _ reply: CredentialReply, _ settings: AgentSettings) async throws {
    var failures: [(endpoint: Endpoint, error: AMQPError)] = []
    for endpoint in endpoints {
      var configuration = BrokerLogin.configuration(endpoint, credential: reply.credential, settings, timings)
      configuration.connectionName = "\(AgentVersion.product) doctor"
      let started = ContinuousClock.now
      do throws(AMQPError) {
        broker = (try await Connection.open(configuration, on: loop), endpoint)
        let took = started.duration(to: .now).inMilliseconds
        if endpoint.broker.usesTLS { report.add(.pass("broker TLS", "the certificate is good for \(endpoint.broker.host)")) }
        report.add(
          .pass(
            "broker login",
            "'\(printable(address(of: endpoint)))' is let in by \(endpoint.broker)/\(printable(endpoint.virtualHost)), in \(took)"))
        break
      } catch {
        failures.append((endpoint, error))
      }
      try Task.checkCancellation()
    }
    for (endpoint, error) in failures {
      report.add(BrokerFinding.loginFailed(endpoint, error, isOnlyOne: broker == nil, isTrusting: settings.authorityFile != nil))
    }
    if broker == nil { brokerTrouble = "there is no login at the broker" }
  }

  private func address(of endpoint: Endpoint) -> String { endpoint.address.username }
}
