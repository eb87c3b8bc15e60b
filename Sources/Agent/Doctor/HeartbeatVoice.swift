import FleetProtocol

/// Whether the doctor may send a heartbeat in the agent's name, and what it would say.
///
/// A heartbeat is a sign of life, and the doctor is not the agent. So it says what the row says already, and it is silent where that would make an agent look alive
/// of which nobody knows whether it is.
enum HeartbeatVoice: Equatable {
  /// As this agent, of this generation, with this status.
  case speaks(agentID: String, generation: Int, status: AgentStatus)
  /// For this reason not.
  case silent(String)

  /// `readers` are the consumers of the agent's queue, `nil` when that is not known.
  init(_ probed: RegistrationProbeReply, readers: Int?) {
    guard let agentID = probed.agentID, let generation = probed.generation, generation > 0, probed.queue != nil else {
      self = .silent("the agent was never registered over AMQP; start it once: systemctl start spot-optimizer-agent")
      return
    }
    switch probed.status {
    case .offline: self = .speaks(agentID: agentID, generation: generation, status: .offline)
    case nil, .deleted: self = .silent("the agent's row says '\(probed.status?.rawValue ?? "a word of a newer version")'")
    case .some(let status):
      self =
        (readers ?? 0) > 0
        ? .speaks(agentID: agentID, generation: generation, status: status)
        : .silent("the row says '\(status.rawValue)' and nobody reads the agent's queue: it would make a dead agent look alive")
    }
  }
}
