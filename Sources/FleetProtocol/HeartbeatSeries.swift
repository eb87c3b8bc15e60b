import Glibc
import ServiceRuntime

/// The heartbeats of one agent, in the order they come: nearly every one is, byte for byte, the one before it but for its time, and then nothing but
/// the time is read and no text is made.
public struct HeartbeatSeries: Sendable {
  private struct Last {
    let body: [UInt8]
    /// Where the characters of `sent_at` stand in it, in the form that `Timestamp(wireForm:)` reads.
    let time: Range<Int>
    /// What the body says; valid.
    let heartbeat: Heartbeat
  }

  private var last: Last?

  /// A series that has not begun.
  public init() {}

  /// What `WireCoding.decode` makes of the body.
  public mutating func decode(_ body: [UInt8]) throws(MessageError) -> Heartbeat {
    if let heartbeat = repetition(body) { return heartbeat }
    var time = 0..<0
    guard body.count <= Heartbeat.bodyLimit, let heartbeat = HeartbeatScanner.scan(body, time: &time) else {
      return try WireCoding.decode(Heartbeat.self, from: body)
    }
    try heartbeat.validate()
    if Timestamp(wireForm: body[time]) != nil { last = Last(body: body, time: time, heartbeat: heartbeat) }
    return heartbeat
  }

  /// The last heartbeat at another time, if that is all that is new. A time of that form holds nothing that would end a JSON text, so the others of its
  /// fields are where they were.
  private func repetition(_ body: [UInt8]) -> Heartbeat? {
    guard let last, body.count == last.body.count else { return nil }
    let (start, end) = (last.time.lowerBound, last.time.upperBound)
    // Pointers for memcmp: comparing slices goes byte by byte.
    let isSame = body.withUnsafeBytes { new in
      last.body.withUnsafeBytes { old in
        guard let new = new.baseAddress, let old = old.baseAddress else { return false }
        return memcmp(new, old, start) == 0 && memcmp(new + end, old + end, body.count - end) == 0
      }
    }
    guard isSame, let time = Timestamp(wireForm: body[last.time]) else { return nil }
    var heartbeat = last.heartbeat
    heartbeat.sentAt = time
    return heartbeat
  }
}
