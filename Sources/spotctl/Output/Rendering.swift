import FleetProtocol

/// Makes texts of records.
enum Rendering {
  /// Columns side by side, one row a line.
  static func table(_ records: [Record], empty: String) -> String {
    guard !records.isEmpty else { return empty + "\n" }
    var table = Table()
    return table.text(records)
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
    let lines = try jsonLines(records)
    return lines.isEmpty ? "[]\n" : "[\n\(lines.joined(separator: ",\n"))\n]\n"
  }

  /// The objects of such an array.
  static func jsonLines(_ records: [Record]) throws(MessageError) -> [String] {
    var lines: [String] = []
    for record in records { lines.append(try jsonLine(record)) }
    return lines
  }

  /// One JSON object in one line.
  static func jsonLine(_ record: Record) throws(MessageError) -> String {
    // By hand, because an object keeps the database's order of columns that way.
    var members: [String] = []
    for field in record.fields { members.append("\(try encode(.string(field.column))):\(try encode(field.cell.json))") }
    return "{\(members.joined(separator: ","))}"
  }

  private static func encode(_ value: JSONValue) throws(MessageError) -> String {
    String(decoding: try WireCoding.encodeJSON(value), as: UTF8.self)
  }
}
