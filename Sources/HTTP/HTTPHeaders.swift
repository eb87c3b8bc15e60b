/// Header fields in their order, found by name without regard to case (RFC 9110, section 5).
public struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral, Sequence {
  private var fields: [(name: String, value: String)] = []

  /// No fields.
  public init() {}

  /// These fields in this order.
  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { (name: $0.0, value: $0.1) }
  }

  /// The value, several of one name joined by `, ` as the RFC says; setting one replaces all of that name, `nil` removes them.
  public subscript(name: String) -> String? {
    get {
      let values = fields.filter { Self.same($0.name, name) }
      return values.isEmpty ? nil : values.map(\.value).joined(separator: ", ")
    }
    set {
      fields.removeAll { Self.same($0.name, name) }
      if let newValue { fields.append((name: name, value: newValue)) }
    }
  }

  /// Adds a field and keeps those of the same name.
  public mutating func add(_ name: String, _ value: String) { fields.append((name: name, value: value)) }

  /// The fields one by one.
  public func makeIterator() -> IndexingIterator<[(name: String, value: String)]> { fields.makeIterator() }

  /// Equal when names (without regard to case), values and order are.
  public static func == (left: HTTPHeaders, right: HTTPHeaders) -> Bool {
    left.fields.elementsEqual(right.fields) { same($0.name, $1.name) && $0.value == $1.value }
  }

  /// Compares ASCII letters without case and without allocating: it runs for every field of every request.
  private static func same(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8) { lowercased($0) == lowercased($1) }
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
}
