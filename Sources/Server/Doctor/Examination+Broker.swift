import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// Reaches the broker, logs in as the server does, and compares what it has with what it should have.
  mutating func lookAtBroker() async throws {
    try await reachBroker()
    try await askTool()
    lookAtVersion()
    lookAtPlugins()
    try await lookAtTopology()
  }

  /// TCP, TLS, login and vhost, each told apart.
  mutating func reachBroker() async throws {
    let check = "broker"
    guard let settings, brokerTrouble.isEmpty else { return report.skip(check, because: brokerTrouble) }
    let url = settings.broker.url
    let configuration = login(settings)
    let address = configuration.displayAddress
    brokerTrouble = "the broker cannot be reached"
    do throws(AMQPError) {
      let took = try await probeTCP(host: url.host, port: url.port, limit: Doctor.connectLimit)
      report.add(.pass(check, "\(address): port \(url.port) is open, connected in \(took.inMilliseconds)"))
    } catch {
      let remedy =
        Self.isRefused(error)
        ? "systemctl start rabbitmq-server, or correct AMQP_URL"
        : "correct AMQP_URL, or open the way: nc -vz \(url.host) \(url.port)"
      return report.add(.fail(check, "\(address): \(error)", remedy: remedy))
    }
    try Task.checkCancellation()
    do throws(AMQPError) {
      let started = ContinuousClock.now
      broker = try await Connection.open(configuration, on: loop)
      if url.usesTLS { report.add(.pass("broker TLS", "the certificate is good for \(url.host)")) }
      report.add(.pass("broker login", "'\(printable(url.username))' is let in, in \(started.duration(to: .now).inMilliseconds)"))
      report.add(.pass("broker vhost", "'\(printable(settings.broker.virtualHost))' is there and open to it"))
    } catch {
      brokerTrouble = "there is no login at the broker"
      refused(error, settings)
    }
  }

  /// The server's login, for one look.
  func login(_ settings: ServerConfiguration) -> ConnectionConfiguration {
    var configuration = settings.broker.connection(named: "spotctl doctor")
    // A broker holds a login that it refuses for three seconds.
    configuration.connectTimeout = Doctor.connectLimit + .seconds(5)
    configuration.replyTimeout = .seconds(10)
    return configuration
  }

  private mutating func refused(_ error: AMQPError, _ settings: ServerConfiguration) {
    let url = settings.broker.url
    let (host, user) = (printable(settings.broker.virtualHost), printable(url.username))
    let permissions = "rabbitmqctl set_permissions -p '\(host)' '\(user)' '.*' '.*' '.*'"
    switch error.kind {
    case .loginRefused:
      report.add(
        .fail(
          "broker login", error.message,
          remedy: "correct the user and password in AMQP_URL, or: rabbitmqctl change_password '\(user)' (it asks for the new one)"))
    case .connectionClosed(code: 530):
      report.add(.pass("broker login", "'\(user)' and its password are good"))
      let isMissing = error.message.contains("not found")
      report.add(
        .fail(
          "broker vhost", error.message,
          remedy: isMissing ? "rabbitmqctl add_vhost '\(host)' && \(permissions), or correct AMQP_URL" : permissions))
      brokerTrouble = "the vhost is not open to us"
    case .connect, .transport:
      let name = url.usesTLS ? "broker TLS" : "broker login"
      let remedy =
        url.usesTLS
        ? "set AMQP_CA_FILE to the authority of the broker's certificate, and look at it: "
          + "openssl s_client -connect \(url.host):\(url.port) -servername \(url.host)"
        : "see whether port \(url.port) is the broker's AMQP port, without TLS: rabbitmqctl status"
      report.add(.fail(name, error.message, remedy: remedy))
    default: report.add(.fail("broker login", error.message, remedy: "see what the broker does: journalctl -u rabbitmq-server"))
    }
  }

  /// What the broker tells its own tool, where that can be called.
  mutating func askTool() async throws {
    guard let settings, report.findings.contains(where: { $0.check == "broker" && $0.verdict == .pass }) else { return }
    let url = settings.broker.url
    guard let tool = BrokerTool(doctor.rabbitmqctl, brokerHost: url.host) else {
      factsTrouble = "the broker is on another machine and RABBITMQCTL does not say how to call rabbitmqctl there"
      return
    }
    switch await tool.facts(virtualHost: settings.broker.virtualHost, port: url.port) {
    case .success(let facts): self.facts = facts
    case .failure(let problem):
      factsTrouble = problem.text
      // Whoever set the variable wants to hear that it is wrong.
      if tool.isChosen {
        report.add(.warn("rabbitmqctl", problem.text, remedy: "correct RABBITMQCTL, such as: export RABBITMQCTL='sudo rabbitmqctl'"))
      }
    }
    try Task.checkCancellation()
  }

  private mutating func lookAtVersion() {
    let check = "broker version"
    guard let name = broker?.brokerName ?? facts?.version.map({ "RabbitMQ \($0)" }) else {
      return report.skip(check, because: brokerTrouble)
    }
    let number = name.split(separator: " ").last.map { $0.split(separator: ".").compactMap { Int($0) } } ?? []
    guard number.count > 1, (number[0], number[1]) < (3, 10) else { return report.add(.pass(check, name)) }
    report.add(.fail(check, "\(name); 3.10 is the oldest that is supported", remedy: "upgrade the broker: apt install rabbitmq-server"))
  }

  private mutating func lookAtPlugins() {
    let check = "broker plugins"
    let plugin = "rabbitmq_auth_backend_oauth2"
    guard let facts else {
      let inference = broker == nil ? "" : "; whether \(plugin) works is inferred from the login of 'credential accepted'"
      return report.skip(check, because: factsTrouble + inference)
    }
    let backends = facts.backends.joined(separator: ", ")
    if !facts.plugins.contains(plugin) {
      report.add(.fail(check, "\(plugin) does not run, so no agent can log in", remedy: "rabbitmq-plugins enable \(plugin)"))
    } else if !facts.backends.contains(where: { $0.contains("oauth2") }) {
      report.add(
        .fail(
          check, "\(plugin) runs, but logins are checked by \(backends) only",
          remedy: "write auth_backends.2 = rabbit_auth_backend_oauth2 into rabbitmq.conf, and: systemctl restart rabbitmq-server"))
    } else {
      report.add(.pass(check, "\(plugin) runs; logins are checked by \(backends)"))
    }
    if !facts.partitions.isEmpty {
      report.add(
        .fail(
          "broker cluster", "this node has lost sight of \(facts.partitions.joined(separator: ", "))",
          remedy: "rabbitmqctl cluster_status; mend the network, then restart the nodes of the smaller side"))
    }
  }
}
