import Glibc
import ServiceRuntime
import TestSupport

/// A port of loopback behind which something is wrong.
final class GuidePort: Sendable {
  let port: Int
  private let descriptor: Int32
  private let others = Lock<[Int32]>([])

  /// Nobody listens, and nobody else can: a connection is refused.
  static func closed() throws -> GuidePort { try GuidePort() }

  /// Packets are dropped: the queue of connections that wait has one place, which is taken.
  static func droppingPackets() throws -> GuidePort {
    let port = try GuidePort()
    listen(port.descriptor, 0)
    let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    port.others.withLock { $0.append(filler) }
    guard Self.withLoopback(port.port, { connect(filler, $0, $1) }) == 0 else {
      throw FleetFailure(description: "connect: \(String(cString: strerror(errno)))")
    }
    return port
  }

  /// Closes the first connections, and never answers those after them.
  static func silent(after closing: Int) throws -> GuidePort {
    let port = try GuidePort()
    listen(port.descriptor, 16)
    let descriptor = port.descriptor
    startThread(name: "guide-port") { [weak port] in
      var count = 0
      // Ends with the shutdown of the socket.
      while case let connection = accept(descriptor, nil, nil), connection >= 0 {
        count += 1
        if count > closing, let port { port.others.withLock { $0.append(connection) } } else { close(connection) }
      }
    }
    return port
  }

  private init() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var bound = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = Self.withLoopback(0) { bind(descriptor, $0, $1) }
    let named = withUnsafeMutablePointer(to: &bound) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard code == 0, named == 0 else { throw FleetFailure(description: "bind: \(String(cString: strerror(errno)))") }
    self.descriptor = descriptor
    port = Int(UInt16(bigEndian: bound.sin_port))
  }

  private static func withLoopback<Result>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }

  deinit {
    // Wakes the thread that accepts.
    shutdown(descriptor, Int32(SHUT_RDWR))
    close(descriptor)
    for other in others.withLock({ $0 }) { close(other) }
  }
}

/// A TLS server with a certificate that nobody trusts, for as long as `body` runs.
func withUntrustedTLS(_ folder: String, _ body: (_ port: Int) async throws -> Void) async throws {
  let files = ["-keyout", "\(folder)/tls.key", "-out", "\(folder)/tls.crt"]
  let making = try await Program.tool(
    "/usr/bin/env",
    [
      "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
      "subjectAltName=IP:127.0.0.1",
    ]
      + files)
  guard try await making.waitForExit(timeout: .seconds(60)) == .exited(0) else { throw FleetFailure(description: making.output) }
  let server = try await Program.tool(
    "/usr/bin/env",
    ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", "\(folder)/tls.crt", "-key", "\(folder)/tls.key"])
  do {
    let line = try await server.waitForLine(containing: "ACCEPT 127.0.0.1:", timeout: .seconds(60))
    try await body(Int(line.split(separator: ":").last ?? "") ?? 0)
    try await server.stop()
  } catch {
    try await server.stop()
    throw error
  }
}
