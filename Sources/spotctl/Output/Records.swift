import FleetProtocol
import Server
import ServiceRuntime

extension Record {
  /// A row of `clients`. The token is shown whole only when the client has just been made; elsewhere its preview.
  init(_ client: Client, showingToken: Bool = false) {
    add("id", .text(client.account.id), listed: true)
    add("name", .text(client.account.name), listed: true)
    add("email", Cell(client.email))
    add("client_token", .text(showingToken ? client.account.token : tokenPreview(client.account.token)), listed: true)
    add("is_active", .bool(client.account.isActive), listed: true)
    add("created_at", .time(client.createdAt), listed: true)
    add("updated_at", .time(client.updatedAt))
  }

  /// A row of `agents`, with the configuration that holds for it in place of the overrides, and its tags; a list tells people only how many.
  init(_ agent: Agent, tags: [AgentTag], inList isInList: Bool = false) {
    let machine = agent.machine
    add("id", .text(agent.id), listed: true)
    add("client_id", .text(agent.address.clientID), listed: true)
    add("logical_agent_id", .text(agent.address.logicalAgentID), listed: true)
    add("status", .text(agent.status.rawValue), listed: true)
    add("last_heartbeat_at", Cell(agent.lastHeartbeatAt), listed: true)
    add("hostname", Cell(machine.hostname))
    add("instance_id", Cell(machine.instanceID), listed: true)
    add("instance_type", Cell(machine.instanceType), listed: true)
    add("transport", .text(agent.transport), listed: true)
    add("mode", .text(agent.mode.rawValue), listed: true)
    add("region", Cell(machine.region))
    add("az", Cell(machine.az), listed: true)
    add("ami_id", Cell(machine.amiID))
    add("agent_version", Cell(machine.agentVersion), listed: true)
    let values = Dictionary(uniqueKeysWithValues: tags.map { ($0.name, $0.value) })
    let operatorValues = tags.compactMap { tag in tag.operatorValue.map { (tag.name, $0) } }
    add("tags", .summary(isInList ? String(tags.count) : Self.summary(tags), json: Self.text(values)), listed: true)
    add("operator_tags", .json(Self.text(Dictionary(uniqueKeysWithValues: operatorValues))))
    add("private_ip", Cell(machine.privateIP))
    add("public_ip", Cell(machine.publicIP))
    add("monitored_instances", .json(Self.text(agent.monitoredInstances)))
    add("session_id", Cell(agent.sessionID))
    add("registered_at", Cell(agent.registeredAt))
    add("generation", .number(agent.generation))
    add("queue", Cell(agent.queue))
    add("config", .json(Self.text(agent.configuration)))
    add("config_version", .number(agent.configurationVersion))
    add("applied_config_version", Cell(agent.appliedConfigurationVersion))
    add("created_at", .time(agent.createdAt))
    add("updated_at", .time(agent.updatedAt))
  }

  /// A row of `commands`; its output's texts are shown apart, and in JSON only with the row itself.
  init(_ command: StoredCommand, texts: (standardOutput: String?, standardError: String?)? = nil) {
    add("id", .text(command.id), listed: true)
    add("agent_id", .text(command.agentID), listed: true)
    add("command_type", .text(command.commandType), listed: true)
    add("parameters", Cell(json: command.parameters))
    add("priority", .number(command.priority), listed: true)
    add("status", .text(command.status.rawValue), listed: true)
    add("created_at", .time(command.createdAt), listed: true)
    add("expires_at", Cell(command.expiresAt))
    add("timeout_seconds", Cell(command.timeoutSeconds))
    add("attempts", .number(command.attempts))
    add("queued_at", Cell(command.queuedAt))
    add("delivered_at", Cell(command.deliveredAt))
    add("started_at", Cell(command.startedAt))
    add("finished_at", Cell(command.finishedAt), listed: true)
    add("cancel_requested_at", Cell(command.cancelRequestedAt))
    add("ended_by", Cell(command.endedBy?.rawValue))
    add("exit_code", Cell(command.exitCode), listed: true)
    add("source", Cell(command.source))
    add("rollout_id", Cell(command.rolloutID))
    add("stdout_bytes", Cell(command.standardOutputBytes))
    add("stderr_bytes", Cell(command.standardErrorBytes))
    if let texts {
      add("stdout", Cell(texts.standardOutput))
      add("stderr", Cell(texts.standardError))
    }
    add("output", Cell(json: command.output))
    add("error", Cell(command.error))
  }

  /// `role=worker team=ml`.
  private static func summary(_ tags: [AgentTag]) -> String {
    tags.isEmpty ? "-" : tags.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
  }

  private static func text(_ value: some Encodable) -> String {
    do throws(MessageError) {
      return String(decoding: try WireCoding.encodeJSON(value), as: UTF8.self)
    } catch {
      return "\(error)"
    }
  }
}
