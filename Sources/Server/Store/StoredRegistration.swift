import FleetProtocol
import MySQL

/// How an agent is reached: `agents.transport`.
enum AgentTransport: String, Sendable {
  /// It consumes a queue of its own.
  case amqp
  /// It polls: a v4 agent, whose commands wait in the table.
  case http
}

/// What became of a registration over either transport.
enum StoredRegistration: Sendable {
  /// The agent stands so in its row; the queue that it had before, if it had one, is to be deleted.
  case stored(RegistrationRow, previousQueue: String?)
  /// Another process runs under this name and is alive; nothing was changed.
  case refused(holder: RegistrationHolder)
}

/// What the answer to a registration needs of the agent's row.
struct RegistrationRow: Sendable {
  let id: String
  /// `nil` for an agent that polls.
  let queue: String?
  let generation: Int
  let config: AgentConfiguration
  let configVersion: Int

  /// Reads the row inside the registration's transaction.
  init(_ id: String, on connection: Connection) async throws {
    let rows = try await connection.query("SELECT id, queue, generation, config, config_version FROM agents WHERE id = ?", [.text(id)])
    guard let row = rows.first else {
      throw StoreError(table: "agents", id: id, problem: "the row is gone in the transaction that holds it")
    }
    self.id = id
    queue = try row.optionalString("queue")
    generation = try row.int("generation")
    config = try Agent.configuration(row, id: id)
    configVersion = try row.int("config_version")
  }
}
