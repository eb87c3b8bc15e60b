import FleetProtocol
import MySQL
import ServiceRuntime

/// A row that holds what no program of ours writes: table, id, column, what is there and what should be.
public struct StoreError: Error, Equatable, CustomStringConvertible {
  /// The table.
  public let table: String
  /// The row's id.
  public let id: String
  /// What is wrong with which column, and what would be right.
  public let problem: String

  init(table: String, id: String, problem: String) {
    self.table = table
    self.id = id
    self.problem = problem
  }

  /// A column with a text that should be one of a few words.
  init<Word: WireEnum>(table: String, id: String, column: String, found: String, expected: Word.Type) {
    self.init(
      table: table, id: id,
      problem: "column \(table).\(column) is '\(printable(String(found.prefix(40))))', which is none of "
        + "\(Word.allCases.map(\.rawValue).joined(separator: ", "))")
  }

  /// One line for a log or a terminal, with the remedy.
  public var description: String { "row '\(printable(id))' of \(table): \(problem); correct it with UPDATE \(table)" }
}

/// What a list found: the rows that could be read, and what is wrong with the others, which stop nobody.
public struct Listing<Element: Sendable>: Sendable {
  /// The rows, in the statement's order.
  public var rows: [Element] = []
  /// The rows that could not be read.
  public var problems: [StoreError] = []

  init() {}

  /// Reads every row of `table` that can be read.
  init(_ rows: [Row], of table: String, _ read: (Row) throws -> Element) throws {
    for row in rows {
      do {
        self.rows.append(try read(row))
      } catch let error as StoreError {
        problems.append(error)
      } catch let error as RowError {
        problems.append(StoreError(table: table, id: try row.string("id"), problem: "\(error)"))
      }
    }
  }
}

extension Row {
  /// A column that holds one of a few words.
  func word<Word: WireEnum>(_ type: Word.Type, _ column: String, table: String, id: String) throws -> Word {
    let text = try string(column)
    guard let word = Word(rawValue: text) else {
      throw StoreError(table: table, id: id, column: column, found: text, expected: type)
    }
    return word
  }

  /// A column that holds JSON, or NULL.
  func json<Content: Decodable>(_ type: Content.Type, _ column: String, table: String, id: String) throws -> Content? {
    guard let text = try optionalString(column) else { return nil }
    do throws(MessageError) {
      return try WireCoding.decodeJSON(type, from: Array(text.utf8))
    } catch {
      throw StoreError(table: table, id: id, problem: "column \(table).\(column) holds no usable JSON: \(error)")
    }
  }
}

extension Timestamp {
  /// The moment moved into what a `TIMESTAMP` column can hold (1970-01-01 00:00:01 to 2038-01-19 03:14:07), so that a wild clock on
  /// the other side is a wrong time and not a failed statement.
  var storable: Timestamp { Timestamp(milliseconds: min(max(milliseconds, 1000), 2_147_483_647_000)) }
}
