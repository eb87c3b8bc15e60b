/// Names of the broker's objects that agents and servers share (`docs/architecture.md`, "Topology").
///
/// `broker/definitions.json` and `broker/asyncapi.yaml` say the same; tests hold all three together.
public enum Topology {
  /// The virtual host unless the configuration names another.
  public static let defaultVirtualHost = "spot-optimizer"
  /// `auth_oauth2.resource_server_id` of the broker: audience of every credential and first word of its scopes.
  public static let resourceServerID = "spot-optimizer"

  /// Topic exchange agents publish to, with the routing key `<kind>.<client>.<agent>`.
  public static let inboxExchange = "fleet.inbox"
  /// Direct exchange the server publishes commands to; the routing key is the name of the agent's queue.
  public static let commandsExchange = "fleet.commands"
  /// Topic exchange for what happened in the fleet, for whoever subscribes.
  public static let eventsExchange = "fleet.events"
  /// Fanout exchange for messages that no worker could use.
  public static let deadExchange = "fleet.dead"

  /// Registrations, from agents to workers.
  public static let registerQueue = "fleet.register"
  /// Heartbeats, from agents to workers.
  public static let heartbeatsQueue = "fleet.heartbeats"
  /// Progress and results of commands, from agents to workers.
  public static let resultsQueue = "fleet.results"
  /// Spot notices, from agents to workers: apart, so that a flood of results never delays one.
  public static let noticesQueue = "fleet.notices"
  /// What no worker could use, with the reason in a header.
  public static let deadLettersQueue = "fleet.dead-letters"

  /// Routing key on `fleet.events` that wakes the dispatchers after a commit that wrote commands.
  public static let commandsPendingKey = "commands.pending"
  /// RabbitMQ's pseudo queue for answers; consume it without acknowledgements before publishing a request on the same channel.
  public static let replyToQueue = "amq.rabbitmq.reply-to"

  /// First word of the name of every agent's queue.
  public static let agentQueuePrefix = "agent"
  /// How long an agent's queue lives without a consumer (`x-expires`), in milliseconds: seven days.
  public static let agentQueueExpiryMilliseconds: Int64 = 7 * 24 * 3600 * 1000
  /// `x-max-priority` of an agent's queue: the levels of `CommandPriority`, and one for cancellations.
  public static let queuePriorities: Int64 = 5
  /// The longest name AMQP 0-9-1 can carry (a short string), in bytes.
  public static let longestName = 255

  /// The kind of an exchange, as `exchange.declare` wants it.
  public enum ExchangeKind: String, Sendable { case topic, direct, fanout }

  /// An exchange of the topology; all of them are durable.
  public struct Exchange: Sendable, Equatable {
    /// Its name.
    public let name: String
    /// How it routes.
    public let kind: ExchangeKind
  }

  /// A binding from an exchange to a queue.
  public struct Binding: Sendable, Equatable {
    /// The queue that receives.
    public let queue: String
    /// The exchange that sends.
    public let exchange: String
    /// The pattern of routing keys; empty for a fanout.
    public let routingKey: String
  }

  /// Every exchange.
  public static let exchanges = [
    Exchange(name: inboxExchange, kind: .topic), Exchange(name: commandsExchange, kind: .direct),
    Exchange(name: eventsExchange, kind: .topic), Exchange(name: deadExchange, kind: .fanout),
  ]

  /// The server's queues, all of them quorum queues.
  public static let serverQueues = [registerQueue, heartbeatsQueue, resultsQueue, noticesQueue, deadLettersQueue]

  /// Every binding of the server's queues.
  public static let bindings =
    MessageKind.allCases.compactMap { kind in
      kind.queue.map { Binding(queue: $0, exchange: inboxExchange, routingKey: "\(kind.rawValue).*.*") }
    }
    + [Binding(queue: deadLettersQueue, exchange: deadExchange, routingKey: "")]
}

/// What an agent publishes: the first word of its routing key.
public enum MessageKind: String, Sendable, CaseIterable {
  /// A request to be known to the server, answered over direct reply-to.
  case register
  /// A sign of life.
  case heartbeat
  /// The progress and the end of a command.
  case result
  /// A piece of a running command's output, for whoever follows it.
  case output
  /// A spot interruption or rebalance notice.
  case notice

  /// The server's queue that takes this kind; `nil` for output, which goes to whoever has bound a queue for it.
  public var queue: String? {
    switch self {
    case .register: Topology.registerQueue
    case .heartbeat: Topology.heartbeatsQueue
    case .result: Topology.resultsQueue
    case .notice: Topology.noticesQueue
    case .output: nil
    }
  }
}
