import MySQL

/// The indexes that the migrations make, read from their statements, so that there is no second list to forget.
///
/// Understands the one way in which `Schema` writes them: a `KEY` to a line of a CREATE TABLE, `ADD KEY` or `DROP KEY` in an ALTER TABLE, a primary key as one
/// of both or behind its column. A test holds what it reads against a migrated database.
public struct SchemaIndexes: Sendable, Equatable {
  /// An index of a table.
  public struct Index: Sendable, Hashable {
    /// The table.
    public let table: String
    /// `PRIMARY` for the primary key, as the server has it.
    public let name: String
    /// Whether each row has another value.
    public let isUnique: Bool
    /// The columns, in order.
    public let columns: [String]

    /// The statement that makes it.
    var statement: String {
      let list = columns.joined(separator: ", ")
      if name == "PRIMARY" { return "ALTER TABLE \(table) ADD PRIMARY KEY (\(list))" }
      return "ALTER TABLE \(table) ADD \(isUnique ? "UNIQUE " : "")KEY \(name) (\(list))"
    }
  }

  /// Every index, in the order in which they are made.
  public let all: [Index]

  /// Those of these migrations.
  public init(_ migrations: [Migration]) {
    var all: [Index] = []
    for statement in migrations.flatMap(\.statements) {
      let lines = statement.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
      guard let table = Self.table(lines.first ?? []) else { continue }
      for words in lines.dropFirst() {
        if words.starts(with: ["DROP", "KEY"]), words.count > 2 { all.removeAll { $0.table == table && $0.name == words[2] } }
        if let index = Self.index(words, of: table) { all.append(index) }
      }
    }
    self.all = all
  }

  private static func table(_ words: [String]) -> String? {
    if words.starts(with: ["CREATE", "TABLE", "IF", "NOT", "EXISTS"]), words.count > 5 { return words[5] }
    if words.starts(with: ["ALTER", "TABLE"]), words.count > 2 { return words[2] }
    return nil
  }

  private static func index(_ words: [String], of table: String) -> Index? {
    var words = words
    if words.first == "ADD" { words.removeFirst() }
    if words.starts(with: ["PRIMARY", "KEY"]) { return index("PRIMARY", of: table, isUnique: true, words.dropFirst(2)) }
    if words.starts(with: ["UNIQUE", "KEY"]), words.count > 3 { return index(words[2], of: table, isUnique: true, words.dropFirst(3)) }
    if words.first == "KEY", words.count > 2 { return index(words[1], of: table, isUnique: false, words.dropFirst(2)) }
    // A column that is the primary key by itself.
    if words.count > 3, words.joined(separator: " ").contains("PRIMARY KEY") {
      return Index(table: table, name: "PRIMARY", isUnique: true, columns: [words[0]])
    }
    return nil
  }

  private static func index(_ name: String, of table: String, isUnique: Bool, _ list: ArraySlice<String>) -> Index {
    let columns = list.joined().drop { $0 == "(" }.prefix { $0 != ")" }.split(separator: ",").map(String.init)
    return Index(table: table, name: name, isUnique: isUnique, columns: columns)
  }

  /// The indexes of the database's tables, as the server tells of them.
  public static func existing(on connection: Connection) async throws -> Set<Index> {
    let rows = try await connection.query(
      """
      SELECT table_name AS tbl, index_name AS idx, non_unique AS repeats, column_name AS col FROM information_schema.statistics \
      WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index
      """)
    var found: [String: (table: String, name: String, isUnique: Bool, columns: [String])] = [:]
    for row in rows {
      let (table, name) = (try row.string("tbl"), try row.string("idx"))
      // The column is NULL for an index over an expression, which the migrations have none of.
      let (isUnique, column) = (try row.int("repeats") == 0, try row.optionalString("col") ?? "")
      found["\(table).\(name)", default: (table, name, isUnique, [])].columns.append(column)
    }
    return Set(found.values.map { Index(table: $0.table, name: $0.name, isUnique: $0.isUnique, columns: $0.columns) })
  }
}
