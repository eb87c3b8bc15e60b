import FleetProtocol
import ServiceRuntime

/// Publishes a running command's output for those who follow it. Nothing waits for it but the result, and that for a second at most; without a
/// connection, or while the broker takes nothing, pieces are dropped: the whole output comes with the result.
final class LiveOutput: Sendable {
  /// How long output is gathered before it is sent: soon for a person, and a few messages where a program writes line by line.
  private static let gathering = Duration.milliseconds(75)
  /// For the confirm of what is sent.
  private static let patience = Duration.seconds(1)

  private let command: Command
  private let context: AgentContext
  private let pieces = Lock(OutputPieces(now: .now))
  private let hasOutput = Signal()

  init(_ command: Command, _ context: AgentContext) {
    self.command = command
    self.context = context
  }

  /// Takes what the program wrote. From any thread; returns at once.
  func append(_ stream: CommandOutput.Stream, _ bytes: [UInt8]) {
    pieces.withLock { $0.append(stream, bytes) }
    hasOutput.raise()
  }

  /// Publishes until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      if pieces.withLock({ $0.isEmpty }) { await hasOutput.wait() }
      do {
        try await Task.sleep(for: Self.gathering)
      } catch {
        // `finish` sends what is left.
        return
      }
      await publish(pieces.withLock { $0.take(now: .now) })
    }
  }

  /// Publishes what is left; after this nothing more comes.
  func finish() async { await publish(pieces.withLock { $0.take(now: .now, all: true) }) }

  private func publish(_ pieces: [OutputPieces.Piece]) async {
    guard !pieces.isEmpty, let publisher = context.publisher.withLock({ $0 }) else { return }
    let now = context.clock.now()
    let messages = pieces.map { piece in
      CommandOutput(
        commandID: command.id, agentID: command.agentID, sequence: piece.sequence, stream: piece.stream, text: piece.text,
        skippedBytes: piece.skippedBytes, sentAt: now)
    }
    do {
      let lost = try await publisher.offer(messages, .output, timeout: Self.patience)
      if lost > 0 { context.log.debug("\(lost) pieces of the output of the command \(command.id) did not reach the broker") }
    } catch {
      context.log.debug("The output of the command \(command.id) cannot be published while it runs: \(error)")
    }
  }
}
