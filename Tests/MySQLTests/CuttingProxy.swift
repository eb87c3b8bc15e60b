import Glibc
import ServiceRuntime

/// A TCP proxy on loopback that passes a client packet on, cuts the line to the client when it ended in a certain text, and so loses the answer.
final class CuttingProxy: Sendable {
  struct Failed: Error { let code: Int32 }

  /// Where clients connect.
  let port: Int
  private let listener: Int32
  private let text: [UInt8]
  private let target: Int

  init(to target: Int, cutAfter text: String) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = Self.loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) | listen(listener, 8) | getsockname(listener, address, &length)
      }
    }
    guard code == 0 else { throw Failed(code: errno) }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    self.target = target
    self.text = Array(text.utf8)
    startThread(name: "proxy") { [self] in serve() }
  }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else { break }
      let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = Self.loopback(UInt16(target))
      let code = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
      }
      if code == 0 { pump(client, server) }
      close(client)
      close(server)
    }
    close(listener)
  }

  private func pump(_ client: Int32, _ server: Int32) {
    var buffer = [UInt8](repeating: 0, count: 65536)
    var ends = [pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0)]
    while poll(&ends, 2, -1) > 0 {
      for (index, other) in [(0, server), (1, client)] where ends[index].revents != 0 {
        let count = read(ends[index].fd, &buffer, buffer.count)
        guard count > 0, send(other, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
        if index == 0, buffer[..<count].suffix(text.count) == text[...] { return }
      }
    }
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return address
  }
}
