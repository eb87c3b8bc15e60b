import ServiceRuntime

/// Whose agent it is: the pair that names an agent for ever, and the names on the broker that follow from it.
///
/// Neither the routing keys nor the queue names can be made to mean another agent's: the ids are percent-encoded but for
/// `A-Z a-z 0-9 - _`, so that a dot, a `*` or a `#` in an id is no dot, `*` or `#` of a key.
public struct AgentAddress: Sendable, Hashable {
  /// One object for all copies: addresses go with every message, and are the keys of what the server remembers of agents.
  private final class Names: Sendable {
    let clientID: String
    let logicalAgentID: String
    let encoded: String
    /// Of `encoded`, in this process.
    let hash: Int

    init(clientID: String, logicalAgentID: String, encoded: String) {
      self.clientID = clientID
      self.logicalAgentID = logicalAgentID
      self.encoded = encoded
      hash = encoded.hashValue
    }
  }

  private let names: Names

  /// The client (tenant).
  public var clientID: String { names.clientID }
  /// The agent's own name within the client.
  public var logicalAgentID: String { names.logicalAgentID }
  /// `<client>.<agent>`, encoded: the user name at the broker and the tail of every routing key.
  public var encoded: String { names.encoded }

  /// Greatest generation of an agent's queue: ten digits.
  public static let greatestGeneration = 4_294_967_295

  /// An address, checked: neither id empty, no control characters, and the name of the agent's queue fits into AMQP's 255 bytes with
  /// the longest generation.
  public init(clientID: String, logicalAgentID: String) throws(ConfigurationError) {
    try Self.check(clientID, name: "client id", remedy: "choose a client id of visible characters")
    try Self.check(
      logicalAgentID, name: "logical agent id", remedy: "set LOGICAL_AGENT_ID to a name of visible characters, such as the host name")
    let encoded = "\(PercentEncoding.encode(clientID)).\(PercentEncoding.encode(logicalAgentID))"
    // agent.<client>.<agent>.<ten digits>
    let length = Topology.agentQueuePrefix.utf8.count + 1 + encoded.utf8.count + 1 + 10
    guard length <= Topology.longestName else {
      throw ConfigurationError(
        name: "logical agent id",
        problem:
          "'\(printable(String(logicalAgentID.prefix(40))))…' of client '\(printable(String(clientID.prefix(40))))' makes a queue name of "
          + "\(length) bytes",
        remedy:
          "shorten it: \(Topology.longestName) bytes are the most, and a character other than A-Z a-z 0-9 - _ takes three for each byte")
    }
    names = Names(clientID: clientID, logicalAgentID: logicalAgentID, encoded: encoded)
  }

  /// The encoded form says all that the two ids say, and is shorter to look at.
  public static func == (left: AgentAddress, right: AgentAddress) -> Bool {
    left.names === right.names || left.names.encoded == right.names.encoded
  }

  /// Hashes what `==` compares.
  public func hash(into hasher: inout Hasher) { hasher.combine(names.hash) }

  /// The routing key on `fleet.inbox` for what this agent publishes: `<kind>.<client>.<agent>`.
  public func routingKey(_ kind: MessageKind) -> String { "\(kind.rawValue).\(encoded)" }

  /// The user name at the broker: `<client>.<agent>`, encoded.
  public var username: String { encoded }

  /// The name of this agent's queue in one generation (1 to `greatestGeneration`), which is also its routing key on `fleet.commands`.
  public func queueName(generation: Int) -> String {
    precondition((1...Self.greatestGeneration).contains(generation), "a queue's generation is 1 to \(Self.greatestGeneration)")
    return "\(Topology.agentQueuePrefix).\(encoded).\(generation)"
  }

  /// Every generation's queue, as a pattern of the broker's scopes.
  public var queuePattern: String { "\(Topology.agentQueuePrefix).\(encoded).*" }

  /// Reads a routing key of `fleet.inbox`: exactly three words, the first a known kind, the others in their one canonical encoding.
  public static func parse(routingKey: String) throws(MessageError) -> (kind: MessageKind, address: AgentAddress) {
    let words = routingKey.split(separator: ".", omittingEmptySubsequences: false)
    guard words.count == 3 else {
      throw MessageError(
        field: "routing key", problem: "'\(shown(routingKey))' has \(words.count) words; it must be <kind>.<client>.<agent>")
    }
    guard let kind = MessageKind(rawValue: String(words[0])) else {
      throw MessageError(
        field: "routing key",
        problem: "'\(shown(routingKey))' does not begin with one of \(MessageKind.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return (kind, try address(words[1], words[2], field: "routing key", text: routingKey))
  }

  /// Reads the name of an agent's queue: `agent.<client>.<agent>.<generation>`.
  public static func parse(queueName: String) throws(MessageError) -> (address: AgentAddress, generation: Int) {
    let words = queueName.split(separator: ".", omittingEmptySubsequences: false)
    guard words.count == 4, words[0] == Topology.agentQueuePrefix else {
      throw MessageError(field: "queue", problem: "'\(shown(queueName))' is not agent.<client>.<agent>.<generation>")
    }
    guard let generation = Int(words[3]), (1...greatestGeneration).contains(generation), String(generation) == words[3] else {
      throw MessageError(field: "queue", problem: "'\(shown(queueName))' does not end with a generation from 1 to \(greatestGeneration)")
    }
    return (try address(words[1], words[2], field: "queue", text: queueName), generation)
  }

  private static func address(_ client: Substring, _ agent: Substring, field: String, text: String) throws(MessageError) -> AgentAddress {
    guard let clientID = PercentEncoding.decode(client), let logicalAgentID = PercentEncoding.decode(agent) else {
      throw MessageError(
        field: field, problem: "'\(shown(text))' is not percent-encoded as agreed (all but A-Z a-z 0-9 - _, upper-case digits)")
    }
    do throws(ConfigurationError) {
      return try AgentAddress(clientID: clientID, logicalAgentID: logicalAgentID)
    } catch {
      throw MessageError(field: field, problem: "'\(shown(text))' holds a bad id: \(error)")
    }
  }

  private static func check(_ id: String, name: String, remedy: String) throws(ConfigurationError) {
    guard !id.isEmpty else { throw ConfigurationError(name: name, problem: "is empty", remedy: remedy) }
    guard !id.unicodeScalars.contains(where: isControl) else {
      throw ConfigurationError(name: name, problem: "'\(shown(id))' holds a control character", remedy: remedy)
    }
  }
}

/// Whether a character is a control character (Unicode category Cc).
func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) }

/// A foreign text as an error may show it: printable and short.
func shown(_ text: String) -> String {
  text.unicodeScalars.count <= 80 ? printable(text) : printable(String(text.prefix(80))) + "…"
}
