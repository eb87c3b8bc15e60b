/// A value in a header or argument table (AMQP 0-9-1, 4.2.5.5, with RabbitMQ's types).
public enum FieldValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case text(String)
  case bytes([UInt8])
  /// Seconds since 1970.
  case timestamp(Int64)
  case array([FieldValue])
  case table(FieldTable)
  /// Nested too deeply or of a type that AMQP 0-9-1 clients do not exchange (decimals).
  case unsupported
}

/// A header or argument table: few entries, so a list in the order of the wire and not a dictionary.
public struct FieldTable: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// The entries, in order.
  public private(set) var entries: [(name: String, value: FieldValue)]

  /// A table of these entries.
  public init(_ entries: [(name: String, value: FieldValue)] = []) { self.entries = entries }

  /// A table written as a literal.
  public init(dictionaryLiteral elements: (String, FieldValue)...) { entries = elements.map { (name: $0.0, value: $0.1) } }

  /// The first entry of that name.
  public subscript(name: String) -> FieldValue? {
    get { entries.first { $0.name == name }?.value }
    set {
      entries.removeAll { $0.name == name }
      if let newValue { entries.append((name: name, value: newValue)) }
    }
  }

  /// Whether there are no entries.
  public var isEmpty: Bool { entries.isEmpty }

  /// Equal entries in the same order.
  public static func == (left: FieldTable, right: FieldTable) -> Bool {
    left.entries.count == right.entries.count && zip(left.entries, right.entries).allSatisfy { $0.name == $1.name && $0.value == $1.value }
  }
}
