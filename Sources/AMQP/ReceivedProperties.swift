/// The properties of a message as they came (AMQP 0-9-1, 4.2.6.1): kept as bytes, read when somebody asks.
///
/// A heartbeat brings a dozen of them, of which the server asks for five. A text for each would be an allocation for each.
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
    let flags = number(at: 0, bytes: 2)
    guard flags & (1 << wanted.rawValue) != 0 else { return nil }
    var index = 2
    // The last bit of each word of flags says that there is one more; no property of `basic` is in those.
    while number(at: index - 2, bytes: 2) & 1 != 0 { index += 2 }
    var property = Property.contentType.rawValue
    while property > wanted.rawValue {
      if flags & (1 << property) != 0 { index += length(of: property, at: index) }
      property -= 1
    }
    let end = index + length(of: property, at: index)
    return end <= bytes.count ? index..<end : nil
  }

  private func length(of property: Int, at index: Int) -> Int {
    switch property {
    case Property.headers.rawValue: 4 + number(at: index, bytes: 4)
    case Property.deliveryMode.rawValue, Property.priority.rawValue: 1
    case Property.timestamp.rawValue: 8
    default: 1 + number(at: index, bytes: 1)
    }
  }

  /// The most significant byte first; 0 where the bytes end too early, and then what is asked for ends behind them.
  private func number(at index: Int, bytes count: Int) -> Int {
    guard bytes.count - index >= count else { return 0 }
    var number = 0
    for byte in bytes[index..<(index + count)] { number = number << 8 | Int(byte) }
    return number
  }
}
