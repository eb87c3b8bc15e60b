import FleetProtocol
import ServiceRuntime

/// What an agent can do by itself.
enum BuiltInCommand: String, CaseIterable, Sendable {
  /// Answers: the way to the agent and back works.
  case ping
  /// Tells what the agent knows of itself.
  case describe
  /// Gives the agent a configuration.
  case configure

  /// Runs it and returns its output. Throws what is wrong with its parameters.
  ///
  /// None of them is kept on disk: an agent that is killed over one runs it again when it is delivered again, and that does no harm. A second answer to
  /// `ping` or `describe` is one that the server ignores, and a configuration that is there already changes nothing.
  func run(_ parameters: JSONValue, _ context: AgentContext) throws(MessageError) -> JSONValue {
    switch self {
    case .ping: ["pong": true, "agent_time": .string(context.clock.now().iso8601)]
    case .describe: try Self.description(of: context)
    case .configure: try Self.configure(parameters, context)
    }
  }

  /// The names of all commands there are: built in, and in the commands folder.
  static func names(with folder: CommandsFolder) -> [String] { (allCases.map(\.rawValue) + folder.names()).sorted() }

  private static func configure(_ parameters: JSONValue, _ context: AgentContext) throws(MessageError) -> JSONValue {
    let command = try ConfigureCommand(parameters)
    let (isNew, now) = context.configuration.withLock { current in
      let isNew = current.apply(command.configuration, version: command.version)
      return (isNew, current)
    }
    let version = now.version ?? 0
    context.log.info(
      isNew
        ? "\(context.name) works by the configuration \(version)"
        : "\(context.name) was sent the configuration \(command.version) and keeps \(version), which is as new")
    return ["applied": .bool(isNew), "version": .int(Int64(version)), "config": try ConfigureCommand.json(now.value)]
  }

  private static func description(of context: AgentContext) throws(MessageError) -> JSONValue {
    let configuration = context.configuration.withLock { $0 }
    let membership = context.membership.value
    let credential = context.credentials.current
    let instance = context.metadata
    func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
    return [
      "agent_id": text(membership.agentID), "logical_agent_id": .string(context.logicalAgentID), "client_id": .string(credential.clientID),
      "agent_version": .string(programVersion), "hostname": .string(context.hostname), "session_id": .string(membership.sessionID),
      "queue": text(membership.queue), "generation": membership.registration.map { .int(Int64($0.generation)) } ?? .null,
      "server_url": .string(context.settings.serverURL.description), "brokers": .array(credential.brokers.map(JSONValue.string)),
      "credential_expires_at": .string(credential.expiresAt.iso8601),
      "heartbeat_interval_seconds": .int(
        context.settings.heartbeatInterval.map { $0.components.seconds } ?? Int64(membership.registration?.heartbeatIntervalSeconds ?? 0)),
      "uptime_seconds": .int(context.started.duration(to: .now).components.seconds),
      "clock_error_milliseconds": .int(context.clock.error.milliseconds),
      "commands": .array(names(with: context.settings.commandsFolder).map(JSONValue.string)),
      "tags": .object(context.settings.tags.mapValues(JSONValue.string)), "config": try ConfigureCommand.json(configuration.value),
      "config_version": configuration.version.map { .int(Int64($0)) } ?? .null,
      "instance": [
        "instance_id": text(instance.instanceID), "instance_type": text(instance.instanceType),
        "region": text(context.settings.region ?? instance.region), "az": text(instance.availabilityZone), "ami_id": text(instance.imageID),
        "private_ip": text(instance.privateAddress), "public_ip": text(instance.publicAddress), "mode": .string(instance.mode.rawValue),
      ],
    ]
  }
}
