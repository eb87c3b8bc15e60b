import Glibc
import ServiceRuntime

@testable import HTTP
@testable import HTTPServing

/// Runs blocking socket calls on a thread of their own: the tests share Swift's pool, two threads on a small machine, with the server's handlers.
func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
  await withCheckedContinuation { continuation in startThread(name: "test-io") { continuation.resume(returning: body()) } }
}

/// A TCP connection that sends exactly the bytes it is told to.
final class RawSocket: Sendable {
  private let descriptor: Int32

  init(descriptor: Int32) {
    self.descriptor = descriptor
    var patience = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  init(port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    precondition(code == 0, "connect to port \(port): errno \(errno)")
    self.descriptor = descriptor
    var patience = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// False when the other end is gone.
  @discardableResult
  func write(_ bytes: [UInt8]) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress! + offset, $0.count - offset, Int32(MSG_NOSIGNAL)) }
      if count <= 0 { return false }
      offset += count
    }
    return true
  }

  @discardableResult
  func write(_ text: String) -> Bool { write(Array(text.utf8)) }

  /// What is there within the time; empty when the other end has closed, nil when nothing came.
  func read(within time: Duration = .seconds(20)) -> [UInt8]? {
    var descriptors = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
    guard poll(&descriptors, 1, Int32(time.milliseconds)) > 0 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return Array(buffer.prefix(max(0, count)))
  }

  /// Everything until the other end closes.
  func readToEnd() -> String {
    var bytes: [UInt8] = []
    while let piece = read(), !piece.isEmpty { bytes += piece }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Everything until `text` has come, or the other end closes.
  func read(until text: String) -> String {
    var bytes: [UInt8] = []
    while true {
      let sofar = String(decoding: bytes, as: UTF8.self)
      if sofar.contains(text) { return sofar }
      guard let piece = read(), !piece.isEmpty else { return sofar }
      bytes += piece
    }
  }
}

extension RawSocket {
  /// Sends the text on a connection of its own and returns all that comes back until the server closes.
  static func exchange(_ text: String, port: Int) async -> String {
    await onOwnThread {
      let socket = RawSocket(port: port)
      socket.write(text)
      return socket.readToEnd()
    }
  }
}

/// A listener whose answers are bytes given beforehand, one a request; the connection stays open in between.
struct ScriptedServer {
  let port: Int
  private let descriptor: Int32

  init(_ answers: [String], closes: Bool = true) throws {
    let socket = try ListeningSocket(address: "127.0.0.1", port: 0)
    port = socket.port
    let descriptor = socket.release()
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, 0)
    startThread(name: "scripted") {
      let connection = RawSocket(descriptor: accept(descriptor, nil, nil))
      for answer in answers {
        guard !connection.read(until: "\r\n\r\n").isEmpty else { break }
        connection.write(answer)
      }
      if !closes { _ = connection.readToEnd() }
      close(descriptor)
    }
  }
}
