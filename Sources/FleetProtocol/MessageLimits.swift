/// Limits of what a message may hold. Texts are measured in bytes of UTF-8.
public enum MessageLimits {
  /// A whole body, but for a result's.
  public static let bodyBytes = 256 * 1024
  /// The body of a result.
  public static let resultBodyBytes = 2 * 1024 * 1024
  /// A command's output as it is kept: standard output and standard error together.
  public static let outputBytes = 1024 * 1024
  /// The text of one piece of live output.
  public static let outputPieceBytes = 16 * 1024
  /// Tags of one agent.
  public static let tags = 64
  /// The name of a tag.
  public static let tagNameBytes = 64
  /// The value of a tag.
  public static let tagValueBytes = 255
  /// Arrays and objects inside each other. Foundation's own limit is 512, too deep for a thread's stack of 1 MiB in a debug build.
  public static let nesting = 64
  /// An id: agent, command, session, instance.
  public static let identifierBytes = 64
  /// An agent's or client's name. `AgentAddress` has the tighter limit of the queue's name.
  public static let logicalIDBytes = 240
  /// Short words: instance type, region, zone, image, version, address.
  public static let wordBytes = 64
  /// A host name (RFC 1035: 253) with room.
  public static let hostnameBytes = 255
  /// The name of a command.
  public static let commandTypeBytes = 128
  /// The text of an error.
  public static let errorBytes = 4096
  /// Instances in one heartbeat.
  public static let monitoredInstances = 256
  /// Fields in an error notice's details, and texts for each.
  public static let errorDetails = 64
  /// Broker addresses in a credential's answer.
  public static let brokers = 16
  /// Length of one URL or of a credential.
  public static let credentialBytes = 16 * 1024
  /// The longest interval or time-out, in seconds: 30 days.
  public static let longestSeconds = 30 * 24 * 3600

  static func text(_ value: String, _ field: String, most: Int, emptyAllowed: Bool = false) throws(MessageError) {
    if value.isEmpty && !emptyAllowed { throw MessageError(field: field, problem: "is empty") }
    guard value.utf8.count <= most else {
      throw MessageError(field: field, problem: "has \(value.utf8.count) bytes; \(most) are the most")
    }
    guard !value.unicodeScalars.contains(where: isControl) else {
      throw MessageError(field: field, problem: "is '\(shown(value))', which holds a control character")
    }
  }

  static func text(_ value: String?, _ field: String, most: Int) throws(MessageError) {
    if let value { try text(value, field, most: most, emptyAllowed: true) }
  }

  /// Like `text`, but line breaks and tabs are allowed: error texts have them.
  static func prose(_ value: String?, _ field: String, most: Int) throws(MessageError) {
    guard let value, value.utf8.count > most else { return }
    throw MessageError(field: field, problem: "has \(value.utf8.count) bytes; \(most) are the most")
  }

  static func number(_ value: Int?, _ field: String, in range: ClosedRange<Int>) throws(MessageError) {
    guard let value, !range.contains(value) else { return }
    throw MessageError(field: field, problem: "is \(value); it must be from \(range.lowerBound) to \(range.upperBound)")
  }

  static func count(_ count: Int, _ field: String, most: Int) throws(MessageError) {
    guard count > most else { return }
    throw MessageError(field: field, problem: "has \(count) entries; \(most) are the most")
  }
}
