import FleetProtocol
import ServiceRuntime

/// One value of a row: as JSON for programs, as text for people.
enum Cell: Sendable, Equatable {
  case null
  case text(String)
  case number(Int)
  case bool(Bool)
  case time(Timestamp)
  /// A column that holds JSON as text.
  case json(String)
  /// A column that holds JSON as text, and what people are shown of it.
  case summary(String, json: String)

  init(_ text: String?) { self = text.map { .text($0) } ?? .null }
  init(_ number: Int?) { self = number.map { .number($0) } ?? .null }
  init(_ time: Timestamp?) { self = time.map { .time($0) } ?? .null }
  init(json: String?) { self = json.map { .json($0) } ?? .null }

  /// For a table: `-` for NULL, times in the machine's zone, nothing that could move the cursor.
  var display: String {
    switch self {
    case .null: "-"
    case .text(let text), .json(let text): text.isEmpty ? "''" : printable(text)
    case .summary(let text, _): printable(text)
    case .number(let number): String(number)
    case .bool(let value): value ? "yes" : "no"
    case .time(let time): time.localText
    }
  }

  var isNumber: Bool { if case .number = self { true } else { false } }

  /// For `--json`: times in UTC (RFC 3339), JSON columns as what they hold, or as a text when it is no JSON.
  var json: JSONValue {
    switch self {
    case .null: return .null
    case .text(let text): return .string(text)
    case .number(let number): return .int(Int64(number))
    case .bool(let value): return .bool(value)
    case .time(let time): return .string(time.iso8601)
    case .json(let text), .summary(_, json: let text):
      // Whatever somebody wrote into the column is shown, not refused.
      return (try? WireCoding.decodeJSON(JSONValue.self, from: Array(text.utf8))) ?? .string(text)
    }
  }
}

/// A row to be printed: cells under the database's column names, in order.
struct Record: Sendable, Equatable {
  struct Field: Sendable, Equatable {
    let column: String
    let cell: Cell
    /// Whether a list for people has it; `--json` and a single row have all.
    let isListed: Bool
  }

  private(set) var fields: [Field] = []

  /// Adds a column. `listed` puts it into lists for people.
  mutating func add(_ column: String, _ cell: Cell, listed: Bool = false) {
    fields.append(Field(column: column, cell: cell, isListed: listed))
  }
}
