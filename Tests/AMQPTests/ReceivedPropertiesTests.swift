import Testing

@testable import AMQP

/// Properties are read from the bytes of the wire when they are asked for; nothing that a stranger sends may end the process.
@Suite struct ReceivedPropertiesTests {
  /// All properties in the order of the wire (AMQP 0-9-1, 1.8), with a header of each type.
  private static let headers: [UInt8] =
    entry("void", "V", []) + entry("yes", "t", [1]) + entry("i8", "b", [0xff]) + entry("u8", "B", [0xff]) + entry("i16", "s", [0xff, 0xfe])
    + entry("u16", "u", [1, 2]) + entry("i32", "I", [0xff, 0xff, 0xff, 0xfd]) + entry("u32", "i", [0xff, 0xff, 0xff, 0xff])
    + entry("i64", "l", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc]) + entry("u64", "L", [0x80, 0, 0, 0, 0, 0, 0, 0])
    + entry("float", "f", [0x3f, 0xc0, 0, 0]) + entry("double", "d", [0xbf, 0xf8, 0, 0, 0, 0, 0, 0])
    + entry("decimal", "D", [2, 0, 0, 0, 5])
    + entry("time", "T", [0, 0, 0, 0, 0, 0, 1, 0]) + entry("text", "S", long(Array("ü".utf8))) + entry("bytes", "x", long([0, 1]))
    + entry("table", "F", long(entry("in", "t", [0]))) + entry("array", "A", long([0x74, 1, 0x56]))

  private static let all: [UInt8] =
    [0xff, 0xfc] + short("text/plain") + short("gzip") + long(headers) + [2] + [7] + short("c") + short("r") + short("60000") + short("m")
    + [0, 0, 0, 0, 0, 0, 0, 9] + short("t") + short("u") + short("a") + short("")

  private static func short(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

  private static func long(_ bytes: [UInt8]) -> [UInt8] { [0, 0, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes }

  private static func entry(_ name: String, _ type: Unicode.Scalar, _ value: [UInt8]) -> [UInt8] {
    short(name) + [UInt8(ascii: type)] + value
  }

  @Test func everyPropertyAndEveryTypeOfHeaderIsRead() {
    let message = Message(ReceivedProperties(Self.all))
    var expected = Message(
      body: [], contentType: "text/plain", type: "t", messageID: "m", persistent: true,
      headers: FieldTable([
        ("void", .null), ("yes", .bool(true)), ("i8", .int(-1)), ("u8", .int(255)), ("i16", .int(-2)), ("u16", .int(258)),
        ("i32", .int(-3)),
        ("u32", .int(4_294_967_295)), ("i64", .int(-4)), ("u64", .unsupported), ("float", .double(1.5)), ("double", .double(-1.5)),
        ("decimal", .unsupported), ("time", .timestamp(256)), ("text", .text("ü")), ("bytes", .bytes([0, 1])),
        ("table", .table(["in": .bool(false)])), ("array", .array([.bool(true), .null])),
      ]))
    expected.correlationID = "c"
    expected.replyTo = "r"
    expected.timestamp = 9
    expected.userID = "u"
    expected.appID = "a"
    expected.expiration = "60000"
    expected.priority = 7
    #expect(message == expected)
    for (name, value) in message.headers.entries { #expect(message.header(name) == value, "\(name)") }
    #expect(message.header("none") == nil)
  }

  @Test func propertiesThatAreNotThereAreNone() {
    let message = Message(ReceivedProperties([0, 0]))
    #expect(message == Message(body: [], persistent: false))
    #expect(message.header("text") == nil)
  }

  @Test func bytesThatEndAnywhereOrMeanNothingEndNobody() {
    for count in Self.all.indices.dropLast() {
      let message = Message(ReceivedProperties(Array(Self.all[..<count])))
      #expect(message.appID == nil)
      _ = message.headers
      _ = message.header("array")
    }
    for index in Self.all.indices {
      for byte: UInt8 in [0, 1, 0x46, 0x7f, 0xff] {
        var bytes = Self.all
        bytes[index] = byte
        let message = Message(ReceivedProperties(bytes))
        _ = (message.headers, message.appID, message.timestamp, message.priority, message.persistent, message.header("array"))
      }
    }
  }

  @Test func tablesNestedTooDeeplyAreNotFollowed() {
    var table = Self.entry("k", "t", [1])
    for _ in 0..<20 { table = Self.entry("k", "F", Self.long(table)) }
    var value = Message(ReceivedProperties([0x20, 0] + Self.long(table))).header("k")
    var depth = 0
    while case .table(let inner)? = value {
      depth += 1
      value = inner["k"]
    }
    #expect(depth == FieldReader.maximumDepth)
    #expect(value == .unsupported)
  }
}
