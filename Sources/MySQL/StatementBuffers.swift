import CMySQL

/// The bound values of one execution: the bindings and one piece of memory that holds every byte they point to.
struct ParameterBuffer: ~Copyable {
  let binds: UnsafeMutableBufferPointer<MYSQL_BIND>
  private let storage: UnsafeMutableRawBufferPointer

  /// Copies the values; an error for those SQL does not have.
  init(_ values: [Value], statement: String) throws(MySQLError) {
    for (index, value) in values.enumerated() {
      if let problem = value.problem {
        throw MySQLError(kind: .invalidValue, message: "value \(index + 1) \(problem)", statement: shortened(statement, to: 200))
      }
    }
    binds = .allocate(capacity: values.count)
    binds.initialize(repeating: MYSQL_BIND())
    // Each number takes eight bytes and each piece starts at a multiple of eight, so that a number is aligned behind a text.
    storage = .allocate(byteCount: values.reduce(8) { $0 + Self.rounded($1.storedSize) }, alignment: 8)
    var offset = 0
    for (index, value) in values.enumerated() {
      let place = UnsafeMutableRawBufferPointer(rebasing: storage[offset...])
      let count = value.storedSize
      let type: enum_field_types
      switch value {
      case .null: type = MYSQL_TYPE_NULL
      case .int(let number):
        place.storeBytes(of: number, as: Int64.self)
        type = MYSQL_TYPE_LONGLONG
      case .double(let number):
        place.storeBytes(of: number, as: Double.self)
        type = MYSQL_TYPE_DOUBLE
      case .text(var text):
        text.withUTF8 { place.copyMemory(from: UnsafeRawBufferPointer($0)) }
        type = MYSQL_TYPE_STRING
      case .timestamp(let moment):
        var text = moment.sqlText
        text.withUTF8 { place.copyMemory(from: UnsafeRawBufferPointer($0)) }
        type = MYSQL_TYPE_STRING
      case .bytes(let bytes):
        place.copyBytes(from: bytes)
        type = MYSQL_TYPE_BLOB
      }
      spot_mysql_bind(&binds[index], type, place.baseAddress, UInt(count), nil, nil, 0)
      offset += Self.rounded(count)
    }
  }

  private static func rounded(_ count: Int) -> Int { (count + 7) & ~7 }

  deinit {
    binds.deallocate()
    storage.deallocate()
  }
}

extension Value {
  /// Why it cannot be sent; `nil` when it can.
  var problem: String? {
    guard case .double(let number) = self, !number.isFinite else { return nil }
    return "is \(number), which SQL cannot store; bind NULL or a finite number"
  }

  fileprivate var storedSize: Int {
    switch self {
    case .null: 0
    case .int, .double: 8
    case .text(let text): text.utf8.count
    case .bytes(let bytes): bytes.count
    case .timestamp(let moment): moment.sqlText.utf8.count
    }
  }
}

/// Where the library puts the columns of one row at a time.
///
/// Integers arrive as eight bytes and floating-point numbers as a double, everything else as text or bytes; what is longer than
/// the place here is fetched once more at its full length.
struct ResultBuffer: ~Copyable {
  private static let placeSize = 256

  let binds: UnsafeMutableBufferPointer<MYSQL_BIND>
  private let storage: UnsafeMutableRawBufferPointer
  private let lengths: UnsafeMutableBufferPointer<UInt>
  private let nulls: UnsafeMutableBufferPointer<Int8>

  init(_ columns: Columns) {
    let count = columns.kinds.count
    binds = .allocate(capacity: count)
    binds.initialize(repeating: MYSQL_BIND())
    storage = .allocate(byteCount: count * Self.placeSize, alignment: 8)
    lengths = .allocate(capacity: count)
    lengths.initialize(repeating: 0)
    nulls = .allocate(capacity: count)
    nulls.initialize(repeating: 0)
    for index in 0..<count {
      let place = storage.baseAddress.map { $0 + index * Self.placeSize }
      let isUnsigned: Int32 = if case .integer(unsigned: true) = columns.kinds[index] { 1 } else { 0 }
      spot_mysql_bind(
        &binds[index], columns.kinds[index].fetchedType, place, UInt(Self.placeSize), lengths.baseAddress.map { $0 + index },
        nulls.baseAddress.map { $0 + index }, isUnsigned)
    }
  }

  /// The value of a column of the row that was just fetched; `nil` when the library fails, with the error at the statement.
  func value(_ index: Int, _ kind: Columns.Kind, of statement: UnsafeMutablePointer<MYSQL_STMT>) -> Value? {
    guard nulls[index] == 0 else { return .null }
    let place = UnsafeRawBufferPointer(rebasing: storage[index * Self.placeSize..<(index + 1) * Self.placeSize])
    switch kind {
    case .integer(unsigned: false): return .int(place.load(as: Int64.self))
    case .integer(unsigned: true): return .unsigned(place.load(as: UInt64.self))
    case .real: return .double(place.load(as: Double.self))
    case .bits, .text, .binary:
      let length = Int(lengths[index])
      if length <= Self.placeSize { return kind.value(UnsafeRawBufferPointer(rebasing: place[..<length])) }
      let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 8)
      defer { whole.deallocate() }
      var bind = MYSQL_BIND()
      var fetched: UInt = 0
      var isNull: Int8 = 0
      let code = withUnsafeMutablePointer(to: &fetched) { fetched in
        withUnsafeMutablePointer(to: &isNull) { isNull in
          spot_mysql_bind(&bind, kind.fetchedType, whole.baseAddress, UInt(length), fetched, isNull, 0)
          return mysql_stmt_fetch_column(statement, &bind, UInt32(index), 0)
        }
      }
      return code == 0 ? kind.value(UnsafeRawBufferPointer(whole)) : nil
    }
  }

  deinit {
    binds.deallocate()
    storage.deallocate()
    lengths.deallocate()
    nulls.deallocate()
  }
}

extension Columns.Kind {
  /// What the library is asked to convert to.
  fileprivate var fetchedType: enum_field_types {
    switch self {
    case .integer: MYSQL_TYPE_LONGLONG
    case .real: MYSQL_TYPE_DOUBLE
    case .text: MYSQL_TYPE_STRING
    case .bits, .binary: MYSQL_TYPE_BLOB
    }
  }
}
