import ServiceRuntime

/// Reads a heartbeat of the usual shape in one pass, many times faster than a general decoder: heartbeats are nearly all of a fleet's traffic.
///
/// It knows less JSON on purpose (no escapes, no characters beyond ASCII, no unknown or repeated fields, no numbers but plain digits) and says
/// `nil` whenever it meets more; `WireCoding` then decodes in the general way, which also finds the words for an error. What it does accept
/// means the same to both; a test holds them together.
struct HeartbeatScanner {
  private let bytes: [UInt8]
  private var index = 0
  /// Where the characters of `sent_at` stand.
  private var time = 0..<0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The heartbeat in `body`, not yet validated.
  static func scan(_ body: [UInt8]) -> Heartbeat? {
    var scanner = HeartbeatScanner(body)
    return scanner.heartbeat()
  }

  /// The heartbeat in `body`, not yet validated, and where in it the characters of its `sent_at` stand.
  static func scan(_ body: [UInt8], time: inout Range<Int>) -> Heartbeat? {
    var scanner = HeartbeatScanner(body)
    let heartbeat = scanner.heartbeat()
    time = scanner.time
    return heartbeat
  }

  private mutating func heartbeat() -> Heartbeat? {
    var seen: UInt16 = 0
    var agentID: String?
    var status: AgentStatus?
    var instances: [String]?
    var instanceID: String?
    var instanceType: String?
    var mode: InstanceMode?
    var az: String?
    var generation: Int?
    var configVersion: Int?
    var sentAt: Timestamp?
    guard take(UInt8(ascii: "{")) else { return nil }
    repeat {
      guard let key = text(), take(UInt8(ascii: ":")), let field = Heartbeat.CodingKeys(rawValue: key) else { return nil }
      let bit: UInt16
      switch field {
      case .agentID:
        bit = 1
        agentID = text()
        if agentID == nil { return nil }
      case .status:
        bit = 2
        status = text().flatMap { AgentStatus(rawValue: $0) }
        if status == nil { return nil }
      case .monitoredInstances:
        bit = 4
        instances = texts()
        if instances == nil { return nil }
      case .instanceID:
        bit = 8
        instanceID = text()
        if instanceID == nil, !null() { return nil }
      case .instanceType:
        bit = 16
        instanceType = text()
        if instanceType == nil, !null() { return nil }
      case .mode:
        bit = 32
        mode = text().flatMap { InstanceMode(rawValue: $0) }
        if mode == nil, !null() { return nil }
      case .az:
        bit = 64
        az = text()
        if az == nil, !null() { return nil }
      case .generation:
        bit = 128
        generation = number()
        if generation == nil { return nil }
      case .configVersion:
        bit = 512
        configVersion = number()
        if configVersion == nil, !null() { return nil }
      case .sentAt:
        bit = 256
        guard let characters = textRange() else { return nil }
        time = characters
        sentAt = moment(characters)
        if sentAt == nil { return nil }
      }
      guard seen & bit == 0 else { return nil }
      seen |= bit
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { return nil }
    skipSpace()
    guard index == bytes.count, let agentID, let status, let instances, let generation, let sentAt else { return nil }
    return Heartbeat(
      agentID: agentID, status: status, monitoredInstances: instances, instanceID: instanceID, instanceType: instanceType, mode: mode,
      az: az, generation: generation, configVersion: configVersion, sentAt: sentAt)
  }

  private mutating func skipSpace() {
    while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x0a || bytes[index] == 0x0d || bytes[index] == 0x09 { index += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  /// A text without escapes; `nil`, with the place unchanged but for white space, when none begins here.
  private mutating func text() -> String? { textRange().map { String(decoding: bytes[$0], as: UTF8.self) } }

  /// Where the characters of such a text stand.
  private mutating func textRange() -> Range<Int>? {
    skipSpace()
    guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { return nil }
    let start = index + 1
    var end = start
    while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
      guard bytes[end] >= 0x20, bytes[end] < 0x80, bytes[end] != UInt8(ascii: "\\") else { return nil }
      end += 1
    }
    guard end < bytes.count else { return nil }
    index = end + 1
    return start..<end
  }

  /// The time of a text, in the form on the wire or in another of RFC 3339.
  private func moment(_ characters: Range<Int>) -> Timestamp? {
    if let usual = Timestamp(wireForm: bytes[characters]) { return usual }
    guard characters.count > 10, bytes[characters.lowerBound + 10] == UInt8(ascii: "T") else { return nil }
    return Timestamp(text: String(decoding: bytes[characters], as: UTF8.self))
  }

  private mutating func texts() -> [String]? {
    guard take(UInt8(ascii: "[")) else { return nil }
    var result: [String] = []
    if take(UInt8(ascii: "]")) { return result }
    repeat {
      guard let item = text() else { return nil }
      result.append(item)
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: "]")) ? result : nil
  }

  private mutating func null() -> Bool {
    skipSpace()
    guard index + 4 <= bytes.count, bytes[index] == UInt8(ascii: "n"), bytes[index + 1] == UInt8(ascii: "u"),
      bytes[index + 2] == UInt8(ascii: "l"), bytes[index + 3] == UInt8(ascii: "l")
    else { return false }
    index += 4
    return true
  }

  /// A whole number of up to 18 digits, not negative, without a leading zero.
  private mutating func number() -> Int? {
    skipSpace()
    let start = index
    var value = 0
    while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39, index - start < 19 {
      value = value &* 10 &+ Int(bytes[index] & 15)
      index += 1
    }
    guard (1...18).contains(index - start), bytes[start] != 0x30 || index - start == 1 else { return nil }
    return value
  }
}
