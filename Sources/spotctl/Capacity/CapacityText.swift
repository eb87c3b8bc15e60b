/// Numbers for people, without Foundation.
enum CapacityText {
  /// Three figures at least, and no more digits than tell something: `0.31`, `8.4`, `159`, `18942`.
  static func number(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    let digits = abs(value) < 10 ? 2 : abs(value) < 100 ? 1 : 0
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0, scaled % scale != 0 else { return "\(sign)\(scaled / scale)" }
    var fraction = String(scaled % scale)
    fraction = String(repeating: "0", count: digits - fraction.count) + fraction
    while fraction.last == "0" { fraction.removeLast() }
    return "\(sign)\(scaled / scale).\(fraction)"
  }

  /// `6.2 GiB`, `152 MiB`, `1.2 KiB`.
  static func bytes(_ value: Double) -> String {
    for (unit, size) in [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0)] where value >= size { return "\(number(value / size)) \(unit)" }
    return "\(number(value / 1024)) KiB"
  }

  /// `42 s`, `17 min`, `2.5 h`.
  static func time(_ seconds: Double) -> String {
    if seconds >= 7200 { return "\(number(seconds / 3600)) h" }
    if seconds >= 120 { return "\(number(seconds / 60)) min" }
    return "\(number(seconds)) s"
  }

  /// What programs are told: three digits behind the point, and never a share that looks less than it is by more than that.
  static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
