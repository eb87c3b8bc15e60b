import FleetProtocol

/// The newest messages that were sent, so that a refusal can be told which one it is about.
struct SentMessages: Sendable {
  /// A message that was sent.
  struct Entry: Sendable, Equatable {
    let messageID: String
    let kind: MessageKind
    /// The agent id it spoke for: a refusal of an id that is no longer ours changes nothing.
    let agentID: String?
  }

  /// How many are remembered: far more than can be on their way, for the server answers at once or never.
  static let limit = 64

  private var entries: [Entry] = []

  /// Remembers a message.
  mutating func add(_ entry: Entry) {
    if entries.count == Self.limit { entries.removeFirst() }
    entries.append(entry)
  }

  /// The message of that id.
  subscript(messageID: String) -> Entry? { entries.last { $0.messageID == messageID } }
}
