import ServiceRuntime

/// A piece of a running command's output: type `output`, neither mandatory nor kept. Whoever follows the command binds a queue to its agent's
/// routing key; without one the broker drops it. The whole output comes with the result, so a lost piece is no loss.
public struct CommandOutput: FleetMessage {
  /// `output`.
  public static let type = MessageType.output

  /// Which of the command's streams.
  public enum Stream: String, WireEnum {
    /// Standard output.
    case standardOutput = "stdout"
    /// Standard error.
    case standardError = "stderr"
  }

  /// The command's id.
  public var commandID: String
  /// The agent that runs it.
  public var agentID: String
  /// Counts the command's pieces of both streams from 1, in the order they were read; a gap is a piece that was dropped.
  public var sequence: Int
  /// Which stream.
  public var stream: Stream
  /// The text, UTF-8; what is none is replaced. `MessageLimits.outputPieceBytes` at most.
  public var text: String
  /// Bytes of this stream left out right before this piece, because the command wrote faster than pieces are published.
  public var skippedBytes: Int
  /// When the agent sent it, by its clock.
  public var sentAt: Timestamp

  /// A piece; see the properties.
  public init(
    commandID: String, agentID: String, sequence: Int, stream: Stream, text: String, skippedBytes: Int = 0, sentAt: Timestamp
  ) {
    self.commandID = commandID
    self.agentID = agentID
    self.sequence = sequence
    self.stream = stream
    self.text = text
    self.skippedBytes = skippedBytes
    self.sentAt = sentAt
  }

  /// Decodes; an absent `skipped_bytes` is 0.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    commandID = try fields.decode(String.self, forKey: .commandID)
    agentID = try fields.decode(String.self, forKey: .agentID)
    sequence = try fields.decode(Int.self, forKey: .sequence)
    stream = try fields.decode(Stream.self, forKey: .stream)
    text = try fields.decode(String.self, forKey: .text)
    skippedBytes = try fields.decodeIfPresent(Int.self, forKey: .skippedBytes) ?? 0
    sentAt = try fields.decode(Timestamp.self, forKey: .sentAt)
  }

  /// Lengths and ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.text(commandID, "command_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.number(sequence, "sequence", in: 1...Int.max)
    try MessageLimits.prose(text, "text", most: MessageLimits.outputPieceBytes)
    try MessageLimits.number(skippedBytes, "skipped_bytes", in: 0...Int.max)
  }

  enum CodingKeys: String, CodingKey {
    case commandID = "command_id"
    case agentID = "agent_id"
    case sequence, stream, text
    case skippedBytes = "skipped_bytes"
    case sentAt = "sent_at"
  }
}
