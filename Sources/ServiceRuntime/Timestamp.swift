import Glibc

/// A moment of the wall clock in milliseconds since 1970 (UTC): what messages, rows and logs carry.
///
/// Durations inside a process are measured with `ContinuousClock`, never with this.
public struct Timestamp: Sendable, Hashable, Comparable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  public var milliseconds: Int64

  /// From milliseconds since 1970.
  public init(milliseconds: Int64) { self.milliseconds = milliseconds }

  /// From whole seconds since 1970, as AMQP's `timestamp` property and a JWT's claims have it.
  public init(seconds: Int64) { milliseconds = seconds * 1000 }

  /// The wall clock of this machine.
  public static func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
  }

  /// Whole seconds since 1970, rounded down.
  public var seconds: Int64 { milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000 }

  /// `2026-01-31T05:26:47.123Z`: the form on the wire (RFC 3339, always UTC, always milliseconds).
  public var iso8601: String { text(separator: "T", zone: "Z") }

  /// `2026-01-31 05:26:47.123`: a literal for MySQL's `TIMESTAMP(3)` on a session with `time_zone = '+00:00'`.
  public var sqlText: String { text(separator: " ", zone: "") }

  /// `2026-01-31 05:26:47` in the machine's time zone: the form of log lines.
  public var localText: String {
    var time = time_t(seconds)
    var parts = tm()
    localtime_r(&time, &parts)
    return Self.date(parts, separator: " ")
  }

  /// Reads `2026-01-31T05:26:47Z` or with a fraction or a numeric zone (RFC 3339), and MySQL's form with a space and no zone (then UTC).
  /// `nil` for anything else, an impossible date included.
  public init?(text: String) {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      var value = 0
      for byte in bytes[range] {
        guard byte >= 0x30, byte <= 0x39 else { return nil }
        value = value * 10 + Int(byte - 0x30)
      }
      return value
    }
    guard bytes.count >= 19, bytes[4] == 0x2d, bytes[7] == 0x2d, bytes[10] == 0x54 || bytes[10] == 0x20, bytes[13] == 0x3a,
      bytes[16] == 0x3a,
      let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
      let minute = number(14..<16),
      let second = number(17..<19), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60, year >= 1970
    else { return nil }
    var index = 19
    var fraction = 0
    if index < bytes.count, bytes[index] == 0x2e {
      index += 1
      var digits = 0
      while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 {
        if digits < 3 { fraction = fraction * 10 + Int(bytes[index] - 0x30) }
        digits += 1
        index += 1
      }
      guard (1...9).contains(digits) else { return nil }
      for _ in digits..<max(3, digits) { fraction *= 10 }
    }
    var offset = 0
    if index < bytes.count {
      switch bytes[index] {
      case 0x5a: guard index + 1 == bytes.count else { return nil }
      case 0x2b, 0x2d:
        guard bytes.count == index + 6, bytes[index + 3] == 0x3a, let hours = number(index + 1..<index + 3),
          let minutes = number(index + 4..<index + 6),
          hours < 24, minutes < 60
        else { return nil }
        offset = (hours * 60 + minutes) * (bytes[index] == 0x2b ? 60 : -60)
      default: return nil
      }
    } else if bytes[10] == 0x54 {
      return nil
    }
    var parts = tm()
    parts.tm_year = Int32(year - 1900)
    parts.tm_mon = Int32(month - 1)
    parts.tm_mday = Int32(day)
    parts.tm_hour = Int32(hour)
    parts.tm_min = Int32(minute)
    parts.tm_sec = Int32(second)
    let seconds = timegm(&parts)
    guard parts.tm_mday == Int32(day), parts.tm_mon == Int32(month - 1) else { return nil }
    milliseconds = Int64(seconds - offset) * 1000 + Int64(fraction)
  }

  /// This moment moved by a duration (milliseconds are kept, finer parts dropped).
  public func advanced(by duration: Duration) -> Timestamp {
    Timestamp(milliseconds: milliseconds + duration.milliseconds)
  }

  /// The time from `earlier` to this moment; negative when it lies before.
  public func since(_ earlier: Timestamp) -> Duration { .milliseconds(milliseconds - earlier.milliseconds) }

  /// Orders in time.
  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

  private func text(separator: String, zone: String) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    return "\(Self.date(parts, separator: separator)).\(Self.padded(Int(milliseconds - seconds * 1000), 3))\(zone)"
  }

  private static func date(_ parts: tm, separator: String) -> String {
    "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))\(separator)"
      + "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension Duration {
  /// Whole milliseconds, rounded towards zero.
  public var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }

  /// Seconds with their fraction, for texts and for computing rates.
  public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

  /// For people: `0.4s`, `12s`.
  public var shortText: String {
    let tenths = Int((inSeconds * 10).rounded())
    return tenths < 100 && tenths % 10 != 0 ? "\(tenths / 10).\(tenths % 10)s" : "\((tenths + 5) / 10)s"
  }
}
