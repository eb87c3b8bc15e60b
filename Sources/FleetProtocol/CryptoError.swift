import CCrypto

/// A failure inside libcrypto, which means too little memory or a broken installation: bad input is checked before it gets there.
public struct CryptoError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was tried, and libcrypto's own words.
  public let description: String

  /// Takes the newest entry of this thread's error queue and empties the queue.
  init(_ attempt: String) {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    var buffer = [CChar](repeating: 0, count: 256)
    ERR_error_string_n(code, &buffer, buffer.count)
    let words = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    description = "\(attempt) failed in libcrypto" + (code == 0 ? "" : ": \(words)")
  }
}

/// Random bytes fit for ids and secrets.
func randomBytes(_ count: Int) throws(CryptoError) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  guard RAND_bytes(&bytes, Int32(count)) == 1 else { throw CryptoError("drawing random bytes") }
  return bytes
}
