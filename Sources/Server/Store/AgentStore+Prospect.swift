import FleetProtocol
import MySQL
import ServiceRuntime

/// What a registration would bring.
struct RegistrationProspect: Sendable {
  let outcome: RegistrationProbeReply.Outcome
  /// The row as it is; `nil` when there is none.
  let state: RegistrationState?
}

extension AgentStore {
  /// What would become of the registration of a process that has just started and sends it at `sentAt`. Reads only, and locks nothing.
  ///
  /// Throws `MessageError` for a name that differs from another agent's by spaces at its end only, and `MySQLError`.
  func prospect(of address: AgentAddress, sentAt: Timestamp) async throws -> RegistrationProspect {
    let timeout = heartbeatTimeout
    return try await pool.withConnection { connection in
      let now = try await Self.now(on: connection)
      let rows = try await connection.query(
        "SELECT \(RegistrationState.columns) FROM agents WHERE client_id = ? AND logical_agent_id = ?",
        [.text(address.clientID), .text(address.logicalAgentID)])
      guard let row = rows.first else { return RegistrationProspect(outcome: .created, state: nil) }
      let state = try RegistrationState(row)
      try state.checkName(address)
      // A session that nobody has: that of a process that starts.
      let decision = state.decision(sessionID: nil, generation: nil, sentAt: sentAt, over: .amqp, now: now, heartbeatTimeout: timeout)
      return RegistrationProspect(outcome: decision == .conflict ? .refused : .renewed, state: state)
    }
  }
}
