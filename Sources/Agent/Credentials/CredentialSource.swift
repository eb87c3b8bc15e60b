import AMQP
import FleetProtocol
import ServiceRuntime

/// Where credentials come from: the server, and the disk for when it has none to give.
struct CredentialSource: Sendable {
  let settings: AgentSettings
  let timings: AgentTimings
  let logicalAgentID: String
  let store: CredentialStore?
  let clock: FleetClock
  let log: Logger

  /// Asks the server once. What it answers is written to disk, and its clock is taken over.
  func fetch(_ api: ServerAPI) async throws(ServerFailure) -> CredentialReply {
    let (reply, reading) = try await api.credential(for: logicalAgentID)
    if let warning = clock.set(reading) { log.warning(warning) }
    do {
      try store?.save(reply)
    } catch {
      log.warning("The broker credential could not be kept on disk: \(error)")
    }
    return reply
  }

  /// The credential on disk, while it lasts.
  func stored() -> CredentialReply? {
    switch store?.load() {
    case .credential(let reply)? where reply.expiresAt > clock.now() && reply.logicalAgentID == logicalAgentID: return reply
    case .unusable(let reason)?:
      log.warning("The broker credential on disk is not used: \(reason)")
      return nil
    case .credential?, .nothing?, nil: return nil
    }
  }

  /// Whose credential it is; the names in it must be those that follow from client and agent, and its brokers have addresses.
  func address(of reply: CredentialReply) throws(ServerFailure) -> AgentAddress {
    let operation = Operation(method: "POST", url: settings.serverURL.appending("/api/broker/credentials"))
    let address: AgentAddress
    do throws(ConfigurationError) {
      address = try AgentAddress(clientID: reply.clientID, logicalAgentID: reply.logicalAgentID)
      // Here and not when connecting: a running agent then goes on with the brokers it has.
      for broker in reply.brokers { _ = try BrokerURL(broker, name: "brokers") }
    } catch {
      throw .malformed(operation, MessageError(field: error.name, problem: error.problem))
    }
    guard reply.logicalAgentID == logicalAgentID, reply.username == address.username else {
      throw .malformed(operation, MessageError(field: "username", problem: "is not this agent's"))
    }
    return address
  }
}
