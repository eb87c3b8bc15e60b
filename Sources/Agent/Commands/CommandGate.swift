import AMQP
import FleetProtocol
import ServiceRuntime

/// Decides what becomes of a message from the agent's queue. The broker is not trusted: what counts is the signature.
struct CommandGate: Sendable {
  /// What to do with a message.
  enum Decision: Sendable, Equatable {
    /// Run it, report its result, then acknowledge.
    case run(Command)
    /// It has been run: report the result again, then acknowledge.
    case answerAgain(CommandResult)
    /// It runs already, by another delivery that will be acknowledged: acknowledge this one.
    case alreadyRunning(String)
    /// It must not run, and that is ours to report: report this, then acknowledge.
    case refuse(CommandResult)
    /// Nothing that can be believed or that concerns us: log the reason and reject it.
    case drop(String)
  }

  /// The agent's id.
  let agentID: String
  /// The queue the message came from: it stands in the signature, so that nothing can be moved from one queue to another.
  let queue: String
  /// Checks signatures.
  let seal: MessageSeal

  /// Judges a message that arrived at `now` (the server's clock).
  func judge(_ message: Message, now: Timestamp, memory: CommandMemory) -> Decision {
    do throws(SignatureError) {
      try seal.verify(message, routingKey: queue)
    } catch {
      return .drop("its \(error)")
    }
    guard let id = message.messageID, message.type == Command.type.rawValue else {
      return .drop("it is of the type '\(printable(message.type ?? ""))', and only commands belong into this queue")
    }
    let command: Command
    do throws(MessageError) {
      command = try WireCoding.decode(Command.self, from: message.body)
    } catch {
      return .refuse(refusal(id, "The command cannot be read: \(error)", now))
    }
    guard command.agentID == agentID else { return .drop("it is meant for the agent \(printable(command.agentID))") }
    guard command.id == id else { return .refuse(refusal(id, "The command's body names another id, \(printable(command.id))", now)) }
    switch memory[id] {
    case .finished(let result): return .answerAgain(result)
    case .running: return .alreadyRunning(id)
    case nil: break
    }
    if let expiresAt = command.expiresAt, expiresAt <= now {
      return .refuse(refusal(id, "The command expired at \(expiresAt.iso8601), before it reached the agent at \(now.iso8601)", now))
    }
    return .run(command)
  }

  private func refusal(_ id: String, _ reason: String, _ now: Timestamp) -> CommandResult {
    CommandResult(
      commandID: id, agentID: agentID, status: .failed, error: String(reason.prefix(1000)), startedAt: now, finishedAt: now, sentAt: now)
  }
}
