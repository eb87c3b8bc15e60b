import MySQL

/// A condition for a WHERE, with bound values.
///
/// Its SQL is made of literals of this program only (`StaticString`): what somebody typed can be nothing but a value.
public struct SQLCondition: Sendable {
  private enum Piece: Sendable {
    case sql(StaticString)
    case value(Value)
  }

  private var pieces: [Piece] = []

  /// An empty one.
  init() {}

  /// The SQL, with `?` for each value.
  public var text: String {
    var text = ""
    for piece in pieces {
      switch piece {
      case .sql(let sql): text += sql.description
      case .value: text += "?"
      }
    }
    return text
  }

  /// The values, in the order of their `?`.
  public var values: [Value] {
    pieces.compactMap { piece in
      guard case .value(let value) = piece else { return nil }
      return value
    }
  }

  mutating func append(sql: StaticString) { pieces.append(.sql(sql)) }

  mutating func append(_ value: Value) { pieces.append(.value(value)) }

  /// Appends it to a statement that is sent as a text, its values escaped.
  func append(to statement: inout SQLText) {
    for piece in pieces {
      switch piece {
      case .sql(let sql): statement.append(sql: sql)
      case .value(let value): statement.append(value)
      }
    }
  }
}
