import AMQP
import ServiceRuntime

/// What the log says of a connection to the broker that failed, with what to do where no waiting mends it.
enum BrokerFailure {
  /// `Consuming connection to amqp://broker:5672/vhost: … - retrying in 2s`. Never shows the password.
  static func line(_ purpose: String, _ configuration: ConnectionConfiguration, _ failure: Reconnector.Failure) -> String {
    let remedy = remedy(for: failure.error, configuration).map { "; \($0)" } ?? ""
    return
      "\(purpose) connection to \(configuration.displayAddress): \(failure.error)\(remedy) - retrying in \(failure.delay.shortText)"
  }

  /// What to do, as a command where there is one; `nil` when waiting mends it.
  static func remedy(for error: any Error, _ configuration: ConnectionConfiguration) -> String? {
    guard let error = error as? AMQPError else { return nil }
    let (host, user) = (printable(configuration.virtualHost), printable(configuration.username))
    let permissions = "`rabbitmqctl set_permissions -p \(host) \(user) '.*' '.*' '.*'`"
    switch error.kind {
    case .loginRefused: return "check the user and password in AMQP_URL"
    // AMQP 0-9-1, 1.2 "Exceptions": not-allowed, which RabbitMQ answers for a vhost that is missing or not the user's.
    case .connectionClosed(code: 530):
      return "create the vhost with `rabbitmqctl add_vhost \(host)` and \(permissions), or correct AMQP_URL"
    case .channelClosed(code: 403): return "give the user its permissions with \(permissions)"
    default: return nil
    }
  }
}
