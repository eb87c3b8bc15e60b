import ServiceRuntime

/// A number of a rollout's targets, as it is written: `50`, or a part of all of them, `10%` or `2.5%`.
public enum RolloutShare: Sendable, Equatable, CustomStringConvertible {
  /// So many.
  case count(Int)
  /// A part of all, in hundredths of a per cent.
  case percent(hundredths: Int)

  /// The largest count that can be written.
  public static let greatestCount = 1_000_000

  /// Reads one; `nil` for what is neither a whole number up to `greatestCount` nor a percentage from 0 to 100 with two decimals at most.
  public init?(_ text: String) {
    guard text.hasSuffix("%") else {
      guard let count = Self.digits(text[...]), count <= Self.greatestCount else { return nil }
      self = .count(count)
      return
    }
    let parts = text.dropLast().split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = Self.digits(parts[0]), whole <= 100 else { return nil }
    var hundredths = whole * 100
    if parts.count > 1 {
      guard parts[1].count <= 2, let fraction = Self.digits(parts[1]) else { return nil }
      hundredths += parts[1].count == 1 ? fraction * 10 : fraction
    }
    guard hundredths <= 10_000 else { return nil }
    self = .percent(hundredths: hundredths)
  }

  private static func digits(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    return Int(text)
  }

  /// Whether it is nothing of anything.
  public var isZero: Bool { self == .count(0) || self == .percent(hundredths: 0) }

  /// How many of `total` that is, rounded down: what must not be exceeded.
  public func roundedDown(of total: Int) -> Int {
    switch self {
    case .count(let count): count
    case .percent(let hundredths): total * hundredths / 10_000
    }
  }

  /// How many of `total` that is, rounded up: what must be reached.
  public func roundedUp(of total: Int) -> Int {
    switch self {
    case .count(let count): count
    case .percent(let hundredths): (total * hundredths + 9999) / 10_000
    }
  }

  /// As it is written.
  public var description: String {
    switch self {
    case .count(let count): return String(count)
    case .percent(let hundredths):
      let (whole, fraction) = hundredths.quotientAndRemainder(dividingBy: 100)
      guard fraction > 0 else { return "\(whole)%" }
      return fraction % 10 == 0 ? "\(whole).\(fraction / 10)%" : "\(whole).\(fraction < 10 ? "0" : "")\(fraction)%"
    }
  }
}
