// The two forms that every heartbeat has, read and written without a text between, which `init(text:)` and `sqlText` need.
extension Timestamp {
  /// Bytes of the form that `iso8601` writes, up to the year 9999.
  public static let wireFormLength = 24

  /// Reads `2026-01-31T05:26:47.123Z`, the form that `iso8601` writes. `nil` for every other, also where `init(text:)` reads it.
  public init?(wireForm bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.wireFormLength else { return nil }
    let start = bytes.startIndex
    var isValid = true
    func number(_ offset: Int, _ digits: Int) -> Int {
      var value = 0
      for index in (start + offset)..<(start + offset + digits) {
        let digit = bytes[index] &- UInt8(ascii: "0")
        if digit > 9 { isValid = false }
        value = value &* 10 &+ Int(digit)
      }
      return value
    }
    func separator(_ offset: Int, _ byte: Unicode.Scalar) { if bytes[start + offset] != UInt8(ascii: byte) { isValid = false } }
    let date = CivilDate(year: number(0, 4), month: number(5, 2), day: number(8, 2))
    let (hour, minute, second) = (number(11, 2), number(14, 2), number(17, 2))
    let fraction = number(20, 3)
    separator(4, "-")
    separator(7, "-")
    separator(10, "T")
    separator(13, ":")
    separator(16, ":")
    separator(19, ".")
    separator(23, "Z")
    guard isValid, date.year >= 1970, (1...12).contains(date.month), date.day >= 1, hour < 24, minute < 60, second < 60 else { return nil }
    let days = date.days
    guard CivilDate(days: days) == date else { return nil }
    milliseconds = Int64(((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + Int64(fraction)
  }

  private static let endOfYear9999: Int64 = 253_402_300_799_999

  /// Appends what `sqlText` gives.
  public func appendSQLText(to bytes: inout [UInt8]) {
    guard (0...Self.endOfYear9999).contains(milliseconds) else {
      bytes.append(contentsOf: sqlText.utf8)
      return
    }
    let (days, ofDay) = milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
    let date = CivilDate(days: Int(days))
    let seconds = Int(ofDay) / 1000
    // Put together apart: every append to an array asks anew whether it is shared and has room.
    var text: InlineArray<23, UInt8> = [
      0, 0, 0, 0, UInt8(ascii: "-"), 0, 0, UInt8(ascii: "-"), 0, 0, UInt8(ascii: " "), 0, 0, UInt8(ascii: ":"), 0, 0, UInt8(ascii: ":"), 0,
      0,
      UInt8(ascii: "."), 0, 0, 0,
    ]
    func write(_ number: Int, at start: Int, digits: Int) {
      var rest = number
      for index in stride(from: start + digits - 1, through: start, by: -1) {
        text[index] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      }
    }
    write(date.year, at: 0, digits: 4)
    write(date.month, at: 5, digits: 2)
    write(date.day, at: 8, digits: 2)
    write(seconds / 3600, at: 11, digits: 2)
    write(seconds / 60 % 60, at: 14, digits: 2)
    write(seconds % 60, at: 17, digits: 2)
    write(Int(ofDay) % 1000, at: 20, digits: 3)
    withUnsafeBytes(of: &text) { bytes.append(contentsOf: $0) }
  }
}
