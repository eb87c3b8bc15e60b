/// The properties of a message as they came (AMQP 0-9-1, 4.2.6.1): kept as bytes, read when somebody asks.
///
/// A heartbeat brings a dozen of them, of which the server asks for five. A text, and an allocation, for each was the largest part of its way.
struct ReceivedProperties: Sendable {
  /// The properties of `basic`, by the number of their flag.
  enum Property: Int {
    case contentType = 15
    case contentEncoding = 14
    case headers = 13
    case deliveryMode = 12
    case priority = 11
    case correlationID = 10
    case replyTo = 9
    case expiration = 8
    case messageID = 7
    case timestamp = 6
    case type = 5
    case userID = 4
    case appID = 3
    case clusterID = 2
  }

  /// Flags and property list. librabbitmq has read them before and refuses what does not fit.
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// A property that is a short string.
  func text(_ property: Property) -> String? {
    // The length's byte comes first.
    range(of: property).map { String(decoding: bytes[$0.dropFirst()], as: UTF8.self) }
  }

  /// `delivery_mode` or `priority`.
  func octet(_ property: Property) -> UInt8? { range(of: property).map { bytes[$0.lowerBound] } }

  /// `timestamp`.
  var timestamp: UInt64? {
    range(of: .timestamp).flatMap { range in
      var reader = FieldReader(bytes, range)
      return reader.integer(UInt64.self)
    }
  }

  /// All headers.
  var headers: FieldTable {
    guard var reader = headerReader else { return [:] }
    return reader.table()
  }

  /// The first header of that name.
  func header(_ name: String) -> FieldValue? {
    guard var reader = headerReader else { return nil }
    return reader.value(named: name)
  }

  private var headerReader: FieldReader? {
    range(of: .headers).map { FieldReader(bytes, ($0.lowerBound + 4)..<$0.upperBound) }
  }

  /// Where a property stands, the length of a text or of the headers included.
  private func range(of wanted: Property) -> Range<Int>? {
    var reader = FieldReader(bytes, 0..<bytes.count)
    guard let flags = reader.integer(UInt16.self), flags & (1 << wanted.rawValue) != 0 else { return nil }
    var index = 2
    // The last bit of each word says that there is one more; no property of `basic` is in those.
    var word = flags
    while word & 1 != 0 {
      guard let next = reader.integer(UInt16.self) else { return nil }
      word = next
      index += 2
    }
    for number in stride(from: 15, through: wanted.rawValue, by: -1) where flags & (1 << number) != 0 {
      guard let length = length(of: number, at: index), bytes.count - index >= length else { return nil }
      if number == wanted.rawValue { return index..<(index + length) }
      index += length
    }
    return nil
  }

  private func length(of number: Int, at index: Int) -> Int? {
    switch Property(rawValue: number) {
    case .headers:
      var reader = FieldReader(bytes, index..<bytes.count)
      return reader.integer(UInt32.self).map { 4 + Int($0) }
    case .deliveryMode, .priority: return 1
    case .timestamp: return 8
    default: return index < bytes.count ? 1 + Int(bytes[index]) : nil
    }
  }
}
