import AMQP
import FleetProtocol
import Server
import ServiceRuntime
import SignedMessages

/// Shows a command's output while it runs, from a queue of its own at the broker, and returns the row when it has ended.
///
/// The row is the truth: it is looked at when an event of the command comes and once a second, so neither a lost event nor a lost piece holds anybody up.
struct CommandFollower: Sendable {
  /// How often the row is looked at without an event.
  private static let lookInterval = Duration.seconds(1)
  /// How long the broker may take to connect and to answer.
  private static let brokerLimit = Duration.seconds(10)
  /// Pieces held: a slow terminal must not make the tool large. The queue behind it drops the oldest beyond its length, which is then a gap.
  private static let prefetch: UInt16 = 200
  private static let queueLength: Int64 = 20_000

  let store: CommandStore
  let environment: Environment
  let terminal: Terminal

  /// Follows the command that `write` writes, once the queue is bound. `token` is the client's: pieces that are not signed with it are not shown.
  ///
  /// When the task is cancelled the command goes on, and how to call it off is said.
  func follow(_ id: String, of agent: Agent, token: String, _ write: @Sendable () async throws -> Void) async throws -> StoredCommand {
    let loop = EventLoop(name: "follow")
    defer { loop.stop() }
    let pieces = try OutputPieces(of: id, agentID: agent.id, token: token, terminal: terminal)
    let connection = try await connect(on: loop)
    var isWritten = false
    do {
      let (channel, consumer) = try await bind(agent.address, on: connection)
      try await write()
      isWritten = true
      terminal.remark("command \(id) is on its way to \(printable(agent.address.logicalAgentID)); Ctrl-C leaves it running")
      let ended = try await watch(id, pieces, channel, consumer)
      let texts = try await store.outputTexts(id: id)
      try await pieces.finish(ended, texts?.standardOutput, texts?.standardError)
      await connection.close()
      return ended
    } catch {
      await connection.close()
      if isWritten, Task.isCancelled { terminal.remark("the command goes on; call it off with: spotctl commands cancel \(id)") }
      throw error
    }
  }

  private func connect(on loop: EventLoop) async throws -> AMQP.Connection {
    var configuration = try BrokerSettings(environment).connection(named: "spotctl follow")
    configuration.connectTimeout = Self.brokerLimit
    configuration.replyTimeout = Self.brokerLimit
    do throws(AMQPError) {
      return try await AMQP.Connection.open(configuration, on: loop)
    } catch {
      throw Failure(.cannotReach, "--follow needs the broker, and nothing was sent: \(error) (check AMQP_URL)")
    }
  }

  /// A consumer of the agent's output and of what happens to commands.
  private func bind(_ address: AgentAddress, on connection: AMQP.Connection) async throws -> (Channel, Consumer) {
    do throws(AMQPError) {
      let channel = try await connection.openChannel()
      let queue = try await channel.declareQueue(
        "", durable: false, exclusive: true, autoDelete: true, arguments: ["x-max-length": .int(Self.queueLength)])
      try await channel.bindQueue(queue.name, to: Topology.inboxExchange, routingKey: address.routingKey(.output))
      try await channel.bindQueue(queue.name, to: Topology.eventsExchange, routingKey: "command.*")
      try await channel.setPrefetch(Self.prefetch)
      return (channel, try await channel.consume(queue.name))
    } catch {
      throw Failure(
        .cannotReach, "--follow needs the broker's exchanges, and nothing was sent: \(error) (a server declares them when it starts)")
    }
  }

  /// Shows what comes until the row says that the command has ended.
  private func watch(_ id: String, _ pieces: OutputPieces, _ channel: Channel, _ consumer: Consumer) async throws -> StoredCommand {
    let hasNews = Signal()
    return try await withThrowingTaskGroup(of: StoredCommand?.self) { group in
      group.addTask {
        try await read(pieces, channel, consumer, hasNews)
        return nil
      }
      group.addTask { try await waitForEnd(of: id, hasNews) }
      defer { group.cancelAll() }
      var ended: StoredCommand?
      while let result = try await group.next() {
        guard let row = result else { continue }
        ended = row
        // What the reader is writing to the terminal is written before the rest.
        group.cancelAll()
      }
      guard let ended else { throw CancellationError() }
      return ended
    }
  }

  private func read(_ pieces: OutputPieces, _ channel: Channel, _ consumer: Consumer, _ hasNews: Signal) async throws {
    do {
      while true {
        let batch = try await consumer.nextBatch()
        for delivery in batch where try await pieces.take(delivery) { hasNews.raise() }
        if let last = batch.last { try await channel.acknowledge(last.deliveryTag, multiple: true) }
      }
    } catch let error as AMQPError {
      guard !Task.isCancelled else { return }
      // The command goes on, and so does looking at its row.
      terminal.remark("the output cannot be followed any more (\(error)); what it has beyond this is shown at the end")
    }
  }

  private func waitForEnd(of id: String, _ hasNews: Signal) async throws -> StoredCommand {
    while true {
      guard let command = try await store.find(id: id) else {
        throw Failure(.notFound, "the command '\(id)' was removed from the database while it was followed")
      }
      if command.status.isFinal { return command }
      try await hasNews.wait(upTo: Self.lookInterval)
    }
  }
}

/// The pieces of one command as they come from the broker: told from others', checked, and shown.
private actor OutputPieces {
  private let id: String
  private let agentID: String
  private let key: SigningKey
  private let terminal: Terminal
  private let text = CommandText()
  private var output: FollowedOutput
  private var hasToldOfForgery = false

  init(of id: String, agentID: String, token: String, terminal: Terminal) throws {
    self.id = id
    self.agentID = agentID
    self.terminal = terminal
    key = try SigningKey(clientToken: token)
    output = FollowedOutput(of: id)
  }

  /// Shows a piece of this command; returns whether it is an event of it instead.
  func take(_ delivery: Delivery) throws -> Bool {
    let message = delivery.message
    guard delivery.exchange == Topology.inboxExchange else {
      // Events of other commands, and wake-ups, come too. What cannot be read is nobody's.
      let data = try? WireCoding.decodeJSON(JSONValue.self, from: message.body)
      return data?["command_id"] == .string(id)
    }
    guard message.type == CommandOutput.type.rawValue, let piece = try? WireCoding.decode(CommandOutput.self, from: message.body),
      piece.commandID == id, piece.agentID == agentID
    else { return false }
    do throws(SignatureError) {
      try message.verifySignature(with: key, routingKey: delivery.routingKey)
    } catch {
      if !hasToldOfForgery { terminal.remark("a piece of output is not signed by the agent and not shown: \(error)") }
      hasToldOfForgery = true
      return false
    }
    try show(output.take(piece))
    return false
  }

  /// Shows what the command's end has beyond what was shown.
  func finish(_ command: StoredCommand, _ standardOutput: String?, _ standardError: String?) throws {
    if let result = command.output { try text.write("\(result)\n", to: .standardOutput) }
    try show(output.remainder(.standardOutput, kept: standardOutput))
    try show(output.remainder(.standardError, kept: standardError))
  }

  private func show(_ parts: [FollowedOutput.Part]) throws {
    for part in parts {
      switch part {
      case .text(let stream, let content): try text.write(content, to: stream)
      case .remark(let remark): terminal.remark(remark)
      }
    }
  }
}
