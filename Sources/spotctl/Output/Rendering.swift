import FleetProtocol

/// Makes texts of records.
enum Rendering {
  /// Columns side by side, one row a line, numbers to the right; the columns that are listed, unless `columns` says all.
  static func table(_ records: [Record], empty: String) -> String {
    guard let first = records.first else { return empty + "\n" }
    let indices = first.fields.indices.filter { first.fields[$0].isListed }
    let heading = indices.map { first.fields[$0].column.uppercased() }
    let rows = records.map { record in indices.map { record.fields[$0].cell } }
    let widths = indices.indices.map { column in
      max(heading[column].count, rows.map { $0[column].display.count }.max() ?? 0)
    }
    let isRight = indices.indices.map { column in rows.allSatisfy { $0[column].isNumber || $0[column] == .null } }
    func line(_ texts: [String]) -> String {
      var line = ""
      for (column, text) in texts.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - text.count)
        if column > 0 { line += "  " }
        line += isRight[column] ? padding + text : text + (column == texts.count - 1 ? "" : padding)
      }
      return line + "\n"
    }
    return line(heading) + rows.map { line($0.map(\.display)) }.joined()
  }

  /// One row, a column a line.
  static func detail(_ record: Record) -> String {
    let width = record.fields.map(\.column.count).max() ?? 0
    return record.fields.map { field in
      "\(field.column)\(String(repeating: " ", count: width - field.column.count))  \(field.cell.display)\n"
    }.joined()
  }

  /// A JSON array of objects, one object a line, so that a long list also suits line-wise tools.
  static func json(_ records: [Record]) throws(MessageError) -> String {
    var lines: [String] = []
    for record in records {
      // By hand, because an object keeps the database's order of columns that way.
      var members: [String] = []
      for field in record.fields { members.append("\(try encode(.string(field.column))):\(try encode(field.cell.json))") }
      lines.append("{\(members.joined(separator: ","))}")
    }
    return lines.isEmpty ? "[]\n" : "[\n\(lines.joined(separator: ",\n"))\n]\n"
  }

  private static func encode(_ value: JSONValue) throws(MessageError) -> String {
    String(decoding: try WireCoding.encodeJSON(value), as: UTF8.self)
  }
}
