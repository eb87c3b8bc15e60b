import CRabbitMQ
import Glibc

/// The text that stood last in one place of the frames: where the same comes again and again, such as a consumer's tag, it is one text and not a
/// new one, and its allocation, for each frame.
struct RepeatedText {
  private var last = ""

  /// The text in `bytes`, which may die afterwards.
  mutating func text(_ bytes: amqp_bytes_t) -> String {
    if !isLast(bytes) { last = string(bytes) }
    return last
  }

  private func isLast(_ bytes: amqp_bytes_t) -> Bool {
    guard last.utf8.count == bytes.len else { return false }
    guard let base = bytes.bytes, bytes.len > 0 else { return true }
    let isSame = last.utf8.withContiguousStorageIfAvailable { known in known.baseAddress.map { memcmp($0, base, bytes.len) == 0 } }
    return isSame == true
  }
}
