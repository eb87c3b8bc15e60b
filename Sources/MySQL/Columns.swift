import CMySQL

/// The columns of one result, shared by its rows.
final class Columns: Sendable {
  /// How the bytes of a column become a `Value`.
  enum Kind: Sendable {
    case integer(unsigned: Bool)
    case real
    case bits
    case text
    case binary
  }

  let names: [String]
  let kinds: [Kind]
  private let tables: [String]
  private let indices: [String: Int]
  /// In `indices`: the name occurs twice.
  private static let ambiguous = -1

  /// Copies what is needed of the library's metadata.
  init(_ fields: UnsafePointer<MYSQL_FIELD>, count: Int) {
    var names: [String] = []
    var kinds: [Kind] = []
    var tables: [String] = []
    var indices: [String: Int] = [:]
    for index in 0..<count {
      let field = fields[index]
      let name = field.name.map { String(cString: $0) } ?? ""
      names.append(name)
      tables.append(field.org_table.map { String(cString: $0) } ?? "")
      kinds.append(Self.kind(field))
      indices[name] = indices[name] == nil ? index : Self.ambiguous
    }
    self.names = names
    self.kinds = kinds
    self.tables = tables
    self.indices = indices
  }

  /// Where the column is; an error if the result has none of that name, or two.
  func index(_ name: String) throws(RowError) -> Int {
    switch indices[name] {
    case nil: throw RowError(column: name, expected: "to be in the result", found: names.joined(separator: ", "))
    case Self.ambiguous: throw RowError(column: name, expected: "to be there once", found: "two of that name (give each an alias)")
    case let index?: return index
    }
  }

  /// `table.column`, the table by its real name and not by the statement's alias.
  func qualifiedName(_ index: Int) -> String { tables[index].isEmpty ? names[index] : "\(tables[index]).\(names[index])" }

  private static func kind(_ field: MYSQL_FIELD) -> Kind {
    switch field.type {
    case MYSQL_TYPE_TINY, MYSQL_TYPE_SHORT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_YEAR:
      .integer(unsigned: field.flags & UInt32(UNSIGNED_FLAG) != 0)
    case MYSQL_TYPE_FLOAT, MYSQL_TYPE_DOUBLE: .real
    case MYSQL_TYPE_BIT: .bits
    case MYSQL_TYPE_TINY_BLOB, MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_LONG_BLOB, MYSQL_TYPE_BLOB, MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_STRING,
      MYSQL_TYPE_VARCHAR, MYSQL_TYPE_GEOMETRY:
      field.charsetnr == binaryCharacterSet ? .binary : .text
    default: .text
    }
  }

  /// The number of character set `binary` in both servers: the mark of BINARY, VARBINARY and BLOB.
  private static let binaryCharacterSet: UInt32 = 63
}

extension Columns.Kind {
  /// The value of the bytes as the text protocol sends them (and the binary one, for texts and bits).
  func value(_ bytes: UnsafeRawBufferPointer) -> Value {
    switch self {
    case .integer:
      let text = String(decoding: bytes, as: UTF8.self)
      return Int64(text).map { .int($0) } ?? .text(text)
    case .real:
      let text = String(decoding: bytes, as: UTF8.self)
      return Double(text).map { .double($0) } ?? .text(text)
    case .bits: return bytes.count <= 8 ? .bits(bytes) : .bytes(Array(bytes))
    case .text: return String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .bytes(Array(bytes))
    case .binary: return .bytes(Array(bytes))
    }
  }
}

extension Value {
  /// `BIT(n)`, most significant byte first. Beyond `Int64` it is text, as an unsigned integer is.
  fileprivate static func bits(_ bytes: UnsafeRawBufferPointer) -> Value {
    .unsigned(bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }

  /// An unsigned integer; beyond `Int64` the text of it, so that no digit is lost and `Row.int` names it in its error.
  static func unsigned(_ number: UInt64) -> Value { Int64(exactly: number).map { .int($0) } ?? .text(String(number)) }
}
