import FleetProtocol
import ServiceRuntime

/// What an agent can do by itself.
enum BuiltInCommand: String, CaseIterable, Sendable {
  /// Answers: the way to the agent and back works.
  case ping
  /// Tells what the agent knows of itself.
  case describe

  /// Runs it and returns its output.
  func run(_ context: AgentContext) -> JSONValue {
    switch self {
    case .ping: ["pong": true, "agent_time": .string(context.clock.now().iso8601)]
    case .describe: Self.description(of: context)
    }
  }

  /// The names, for an error about one that is none of them.
  static var names: String { allCases.map(\.rawValue).sorted().joined(separator: ", ") }

  private static func description(of context: AgentContext) -> JSONValue {
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
      "clock_error_milliseconds": .int(context.clock.error.milliseconds), "commands": .array(allCases.map { .string($0.rawValue) }),
      "instance": [
        "instance_id": text(instance.instanceID), "instance_type": text(instance.instanceType),
        "region": text(context.settings.region ?? instance.region), "az": text(instance.availabilityZone), "ami_id": text(instance.imageID),
        "private_ip": text(instance.privateAddress), "public_ip": text(instance.publicAddress), "mode": .string(instance.mode.rawValue),
      ],
    ]
  }
}
