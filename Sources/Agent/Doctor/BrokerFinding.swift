import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

/// What to say of a broker that does not let an agent in. While another one does, it is a warning.
enum BrokerFinding {
  /// Of a port that is not open.
  static func unreachable(_ broker: BrokerURL, _ error: AMQPError, isOnlyOne: Bool) -> Finding {
    let remedy =
      switch error.kind {
      case .connect(errno: .some):
        "on the broker: systemctl start rabbitmq-server; on the server, the address that agents are told: AGENT_BROKER_URLS"
      case .connect(errno: nil): "correct AGENT_BROKER_URLS on the server, or the resolver here: getent hosts \(broker.host)"
      default: "let this machine reach it (security groups, network ACLs, routes): nc -vz \(broker.host) \(broker.port)"
      }
    return finding("broker", "\(broker): \(error)", remedy, isOnlyOne)
  }

  /// Of a login that failed. `isTrusting` says whether authorities of its own were named.
  static func loginFailed(_ endpoint: Endpoint, _ error: AMQPError, isOnlyOne: Bool, isTrusting: Bool) -> Finding {
    let broker = endpoint.broker
    switch error.kind {
    case .loginRefused:
      return finding(
        "broker login", "\(broker): \(error)",
        "on the server: spotctl doctor (its line 'credential accepted' says why the broker does not take the server's credentials)",
        isOnlyOne)
    case .connectionClosed(code: 530):
      return finding("broker login", "\(broker): \(error)", "on the server: spotctl doctor; see the vhost in AMQP_URL", isOnlyOne)
    case .connect, .transport:
      guard broker.usesTLS else {
        return finding(
          "broker login", "\(broker): \(error)",
          "see whether port \(broker.port) is the broker's AMQP port, without TLS; on the server: AGENT_BROKER_URLS", isOnlyOne)
      }
      let authorities =
        isTrusting ? "correct SPOT_OPTIMIZER_CA_FILE" : "set SPOT_OPTIMIZER_CA_FILE to the authority of the broker's certificate"
      return finding(
        "broker TLS", "\(broker): \(error)",
        "\(authorities), and look at it: openssl s_client -connect \(broker.host):\(broker.port) -servername \(broker.host)", isOnlyOne)
    default: return finding("broker login", "\(broker): \(error)", "on the broker: journalctl -u rabbitmq-server", isOnlyOne)
    }
  }

  private static func finding(_ check: String, _ measured: String, _ remedy: String, _ isOnlyOne: Bool) -> Finding {
    isOnlyOne ? .fail(check, measured, remedy: remedy) : .warn(check, measured, remedy: remedy)
  }
}
