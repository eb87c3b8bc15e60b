import AMQP
import FleetProtocol
import ServiceRuntime
import SignedMessages

/// A row of `commands` as the message its agent gets: signed with the client's token over the queue's name, so that neither the broker nor
/// another agent can change, redirect or replay it for somebody else.
enum CommandEnvelope {
  /// A longer time to live (milliseconds, some 49 days) is a 406 that closes the publisher's channel (rabbit_misc.erl, `check_expiry`).
  static let longestExpiration: Int64 = 4_294_967_295

  /// Throws a `MessageError` that names the column whose value cannot be sent.
  static func publication(_ row: ClaimedCommand, account: Account, at now: Timestamp) throws -> Publication {
    let parameters: JSONValue
    if let text = row.parameters {
      do throws(MessageError) {
        parameters = try WireCoding.decodeJSON(JSONValue.self, from: Array(text.utf8))
      } catch {
        throw MessageError(field: "commands.parameters", problem: "is not JSON: \(error.problem)")
      }
    } else {
      parameters = .object([:])
    }
    let command = Command(
      id: row.id, agentID: row.agentID, commandType: row.commandType, parameters: parameters, priority: row.priority,
      createdAt: row.createdAt, expiresAt: row.expiresAt, timeoutSeconds: row.timeoutSeconds, streamsOutput: row.streamsOutput)
    var message = Message(
      body: try WireCoding.encode(command), contentType: "application/json", type: Command.type.rawValue, messageID: row.id)
    message.timestamp = UInt64(clamping: now.seconds)
    message.priority = CommandPriority.level(of: row.priority)
    // One that is later than the broker can count is left to `expires_at`, which agent and sweep heed.
    if let milliseconds = row.expiresAt?.since(now).milliseconds, milliseconds <= longestExpiration {
      message.expiration = String(max(1, milliseconds))
    }
    try message.sign(with: SigningKey(clientToken: account.token), routingKey: row.queue)
    return Publication(message, to: Topology.commandsExchange, routingKey: row.queue)
  }

  /// The message that calls a command off: signed likewise, ahead of all that waits in the queue, and kept for as long as the queue.
  static func cancellation(_ due: DueCancellation, account: Account, at now: Timestamp) throws -> Publication {
    let cancellation = CommandCancellation(commandID: due.commandID, agentID: due.agentID, requestedAt: due.requestedAt)
    var message = Message(
      body: try WireCoding.encode(cancellation), contentType: "application/json", type: CommandCancellation.type.rawValue,
      messageID: randomUUID())
    message.timestamp = UInt64(clamping: now.seconds)
    message.priority = CommandPriority.cancellationLevel
    try message.sign(with: SigningKey(clientToken: account.token), routingKey: due.queue)
    return Publication(message, to: Topology.commandsExchange, routingKey: due.queue)
  }
}
