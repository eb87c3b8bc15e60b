import Glibc
import ServiceRuntime

/// A service manager's end of sd_notify(3): a datagram socket, and what came to it.
public final class NotifySocketReceiver: Sendable {
  /// What a program is to find in `NOTIFY_SOCKET`.
  public let address: String
  private let descriptor: Int32
  private let received = Lock<[String]>([])

  /// Listens at `address`: a path that is not there yet, or `@name`.
  public init(_ address: String) throws(CommandFailure) {
    self.address = address
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(address.utf8.prefix(107))
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (bytes.first == 0 ? 0 : 1))
    let code = withUnsafePointer(to: &name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    guard code == 0 else { throw CommandFailure(description: "bind \(address): \(String(cString: strerror(errno)))") }
  }

  /// Every line that has come so far.
  public var lines: [String] {
    received.withLock { received in
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return received }
        received += String(decoding: buffer[0..<count], as: UTF8.self).split(separator: "\n").map(String.init)
      }
    }
  }

  deinit { close(descriptor) }
}
