import AMQP
import FleetProtocol

/// Where this agent's messages go: broker, vhost and the names that follow from who it is.
struct Endpoint: Sendable, Equatable {
  /// One of the brokers the server named.
  let broker: BrokerURL
  /// The vhost.
  let virtualHost: String
  /// Whose agent it is.
  let address: AgentAddress

  /// What a message of this kind is called in the log.
  func operation(_ kind: MessageKind) -> Operation {
    .publish(address.routingKey(kind), broker: broker.description, virtualHost: virtualHost)
  }
}
