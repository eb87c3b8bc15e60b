/// A request target (RFC 9112, section 3.2) taken apart and decoded: pure, so that every broken one is tested without a socket.
struct RequestTarget: Equatable {
  /// Why a target cannot be used; the text goes into the answer 400.
  struct Invalid: Error, Equatable {
    let reason: String
  }

  let path: String
  let segments: [String]
  let query: [String: String]

  /// Takes the origin form (`/path?query`), and the absolute form (`http://host/path?query`) that a client behind a proxy may send.
  init(_ bytes: [UInt8]) throws(Invalid) {
    // A fragment is never sent by a correct client, and a control character or space would be a broken request line.
    guard !bytes.contains(where: { $0 <= 0x20 || $0 == 0x7f }) else {
      throw Invalid(reason: "Request target contains a space or control character")
    }
    let target = try Self.withoutAuthority(bytes[...])
    let question = target.firstIndex(of: 0x3f) ?? target.endIndex
    let rawPath = target[..<question]

    path = try Self.decode(rawPath, plusIsSpace: false, what: "path")
    var segments: [String] = []
    for part in rawPath.dropFirst().split(separator: 0x2f, omittingEmptySubsequences: false) {
      segments.append(try Self.decode(part, plusIsSpace: false, what: "path"))
    }
    self.segments = segments

    var query: [String: String] = [:]
    for field in target[question...].dropFirst().split(separator: 0x26) {
      let equals = field.firstIndex(of: 0x3d) ?? field.endIndex
      let name = try Self.decode(field[..<equals], plusIsSpace: true, what: "query")
      let value = try Self.decode(field[equals...].dropFirst(), plusIsSpace: true, what: "query")
      if query[name] == nil { query[name] = value }
    }
    self.query = query
  }

  private static func withoutAuthority(_ bytes: ArraySlice<UInt8>) throws(Invalid) -> ArraySlice<UInt8> {
    if bytes.first == 0x2f { return bytes }
    for scheme in ["http://", "https://"] where bytes.starts(with: scheme.utf8) {
      let rest = bytes.dropFirst(scheme.utf8.count)
      let end = rest.firstIndex { $0 == 0x2f || $0 == 0x3f } ?? rest.endIndex
      return rest[end...].first == 0x2f ? rest[end...] : [0x2f] + rest[end...]
    }
    throw Invalid(reason: "Request target does not start with /")
  }

  private static func decode(_ bytes: ArraySlice<UInt8>, plusIsSpace: Bool, what: String) throws(Invalid) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      switch bytes[index] {
      case 0x25:
        guard index + 2 < bytes.endIndex, let high = hexDigit(bytes[index + 1]), let low = hexDigit(bytes[index + 2]) else {
          throw Invalid(reason: "Invalid percent-encoding in the \(what)")
        }
        decoded.append(high << 4 | low)
        index += 3
        continue
      case 0x2b where plusIsSpace: decoded.append(0x20)
      case let byte: decoded.append(byte)
      }
      index += 1
    }
    guard !decoded.contains(0) else { throw Invalid(reason: "NUL in the \(what)") }
    guard let text = String(validating: decoded, as: UTF8.self) else { throw Invalid(reason: "Invalid UTF-8 in the \(what)") }
    return text
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}
