import ServiceRuntime

/// The date in a response's header (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

  /// Reads the form that servers must write; `nil` for anything else. The header has whole seconds: what it says is the beginning of one.
  static func parse(_ text: String) -> Timestamp? {
    let words = text.split(separator: " ")
    guard words.count == 6, words[5] == "GMT", words[0].hasSuffix(","), words[1].count == 2, words[3].count == 4, words[4].count == 8,
      let month = months.firstIndex(of: String(words[2]))
    else { return nil }
    let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp(text: "\(words[3])-\(number)-\(words[1])T\(words[4])Z")
  }
}
