import AMQP
import FleetProtocol
import ServiceRuntime

/// Decides what becomes of a message from the agent's queue. The broker is not trusted: what counts is the signature.
struct CommandGate: Sendable {
  /// What to do with a message.
  enum Decision: Sendable, Equatable {
    /// It is good: run it, or whatever becomes of one that came before.
    case run(Command)
    /// A command is called off.
    case cancel(CommandCancellation)
    /// It is a built-in command that has been run: report the result again, then acknowledge.
    case answerAgain(CommandResult)
    /// It is a built-in command that runs already, by another delivery that will be acknowledged: acknowledge this one.
    case alreadyRunning(String)
    /// It must not run, and its end is ours to report: report this, then acknowledge.
    case refuse(CommandResult)
    /// Nothing that can be believed or that concerns us: log the reason and reject it. When it claims to be a command with an id, report that too.
    case drop(String, commandID: String?)
  }

  /// The agent's id.
  let agentID: String
  /// The queue the message came from: it stands in the signature, so that nothing can be moved from one queue to another.
  let queue: String
  /// Checks signatures.
  let seal: MessageSeal

  /// Judges a message that arrived at `now` (the server's clock). `isTaken` says whether a command came before and is the desk's to answer, whenever
  /// it comes again.
  func judge(_ message: Message, now: Timestamp, memory: CommandMemory, isTaken: (String) -> Bool = { _ in false }) -> Decision {
    do throws(SignatureError) {
      try seal.verify(message, routingKey: queue)
    } catch {
      return .drop("its \(error)", commandID: claimedID(message))
    }
    if message.type == CommandCancellation.type.rawValue { return judgeCancellation(message) }
    guard let id = message.messageID, message.type == Command.type.rawValue else {
      let type = printable(message.type ?? "")
      return .drop("it is of the type '\(type)', and only commands and cancellations belong into this queue", commandID: nil)
    }
    let command: Command
    do throws(MessageError) {
      command = try WireCoding.decode(Command.self, from: message.body)
    } catch {
      return .refuse(refusal(id, "The command cannot be read: \(error)", now))
    }
    guard command.agentID == agentID else { return .drop(Self.meant(for: command.agentID), commandID: claimedID(message)) }
    guard command.id == id else { return .refuse(refusal(id, "The command's body names another id, \(printable(command.id))", now)) }
    switch memory[id] {
    case .finished(let result): return .answerAgain(result)
    case .running: return .alreadyRunning(id)
    case nil: break
    }
    if let expiresAt = command.expiresAt, expiresAt <= now, !isTaken(id) {
      return .refuse(.expired(id, agentID: agentID, at: expiresAt, now: now))
    }
    return .run(command)
  }

  private func judgeCancellation(_ message: Message) -> Decision {
    do throws(MessageError) {
      let cancellation = try WireCoding.decode(CommandCancellation.self, from: message.body)
      guard cancellation.agentID == agentID else { return .drop(Self.meant(for: cancellation.agentID), commandID: nil) }
      return .cancel(cancellation)
    } catch {
      return .drop("it cannot be read: \(error)", commandID: nil)
    }
  }

  private static func meant(for agentID: String) -> String { "it is meant for the agent \(printable(agentID))" }

  /// The id that a message of the type `command` claims, if the server could have given it: it is reported without having been believed.
  private func claimedID(_ message: Message) -> String? {
    guard message.type == Command.type.rawValue, let id = message.messageID else { return nil }
    let isUsable =
      !id.isEmpty && id.utf8.count <= MessageLimits.identifierBytes && id.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    return isUsable ? id : nil
  }

  private func refusal(_ id: String, _ reason: String, _ now: Timestamp) -> CommandResult {
    CommandResult(
      commandID: id, agentID: agentID, status: .failed, error: String(reason.prefix(1000)), startedAt: now, finishedAt: now, sentAt: now)
  }
}
