import FleetProtocol

/// A list that is printed as it is read, a page at a time, so that a large fleet needs no large memory: the same text as `Rendering` makes of a whole list.
struct Pages {
  private let isJSON: Bool
  private let empty: String
  private var table = Table()
  /// The last object, held back until it is known whether a comma follows, so that what is printed always ends with a whole line.
  private var held: String?
  /// Rows so far.
  private(set) var count = 0

  /// A list that says `empty` when there is nothing in it.
  init(isJSON: Bool, empty: String) {
    self.isJSON = isJSON
    self.empty = empty
  }

  /// What is to be printed for the next page.
  mutating func text(_ records: [Record]) throws(MessageError) -> String {
    guard !records.isEmpty else { return "" }
    count += records.count
    guard isJSON else { return table.text(records) }
    let lines = (held.map { [$0] } ?? []) + (try Rendering.jsonLines(records))
    let start = held == nil ? "[\n" : ""
    held = lines.last
    return start + lines.dropLast().map { "\($0),\n" }.joined()
  }

  /// What is to be printed at the end.
  func end() -> String {
    if isJSON { return held.map { "\($0)\n]\n" } ?? "[]\n" }
    return count == 0 ? empty + "\n" : ""
  }
}
