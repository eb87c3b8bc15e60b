/// Columns side by side, one row a line, numbers to the right; the columns that are listed. Rows may come in several pages: the heading is the first one's, and columns
/// only ever get wider.
struct Table {
  private var widths: [Int] = []
  private var isRight: [Bool] = []

  /// The lines of a page, the first one's with the heading.
  mutating func text(_ records: [Record]) -> String {
    guard let first = records.first else { return "" }
    let indices = first.fields.indices.filter { first.fields[$0].isListed }
    let rows = records.map { record in indices.map { record.fields[$0].cell } }
    var text = ""
    if widths.isEmpty {
      let heading = indices.map { first.fields[$0].column.uppercased() }
      widths = heading.map(\.count)
      isRight = indices.indices.map { column in
        rows.allSatisfy { $0[column].isNumber || $0[column] == .null } && rows.contains { $0[column].isNumber }
      }
      widen(rows)
      text = line(heading)
    } else {
      widen(rows)
    }
    return text + rows.map { line($0.map(\.display)) }.joined()
  }

  private mutating func widen(_ rows: [[Cell]]) {
    for column in widths.indices { widths[column] = max(widths[column], rows.map { $0[column].display.count }.max() ?? 0) }
  }

  private func line(_ texts: [String]) -> String {
    var line = ""
    for (column, text) in texts.enumerated() {
      let padding = String(repeating: " ", count: widths[column] - text.count)
      if column > 0 { line += "  " }
      line += isRight[column] ? padding + text : text + (column == texts.count - 1 ? "" : padding)
    }
    return line + "\n"
  }
}
