import Glibc

/// A bound, listening TCP socket: closed once, with its owner, unless it is handed over.
///
/// Ours rather than libmicrohttpd's, because the library tells nobody why a bind failed.
struct ListeningSocket: ~Copyable {
  let descriptor: Int32
  /// The port it is bound to, also when 0 was asked for.
  let port: Int
  let isIPv6: Bool

  init(address: String, port: Int) throws(HTTPServerError) {
    guard (0...65535).contains(port) else {
      throw HTTPServerError(.invalidAddress, "cannot listen on port \(port): it is out of range; use 0 to 65535 (0 picks a free one)")
    }
    var storage = try Self.socketAddress(address, UInt16(port))
    let isIPv6 = storage.ss_family == sa_family_t(AF_INET6)
    let length = socklen_t(isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(Int32(storage.ss_family), type, 0)
    guard descriptor >= 0 else { throw Self.failure(address, port, errno) }

    // A server that is started again at once must not wait for its old connections' TIME_WAIT. A port that is listened on is still refused.
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var bound = length
    let code = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
        guard bind(descriptor, address, length) == 0, listen(descriptor, SOMAXCONN) == 0,
          getsockname(descriptor, address, &bound) == 0
        else { return errno }
        return 0
      }
    }
    guard code == 0 else {
      close(descriptor)
      throw Self.failure(address, port, code)
    }
    self.descriptor = descriptor
    self.isIPv6 = isIPv6
    self.port = withUnsafePointer(to: &storage) { pointer in
      // `sin_port` and `sin6_port` lie at the same place, behind the family.
      pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Int(UInt16(bigEndian: $0.pointee.sin_port)) }
    }
  }

  /// Gives the descriptor to somebody else, who closes it.
  consuming func release() -> Int32 {
    let descriptor = descriptor
    discard self
    return descriptor
  }

  deinit { close(descriptor) }

  private static func socketAddress(_ text: String, _ port: UInt16) throws(HTTPServerError) -> sockaddr_storage {
    var storage = sockaddr_storage()
    let isAddress = withUnsafeMutablePointer(to: &storage) { pointer -> Bool in
      let isIPv4 = pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
        address.pointee.sin_family = sa_family_t(AF_INET)
        address.pointee.sin_port = port.bigEndian
        return inet_pton(AF_INET, text, &address.pointee.sin_addr) == 1
      }
      if isIPv4 { return true }
      return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
        address.pointee.sin6_family = sa_family_t(AF_INET6)
        address.pointee.sin6_port = port.bigEndian
        return inet_pton(AF_INET6, text, &address.pointee.sin6_addr) == 1
      }
    }
    guard isAddress else {
      throw HTTPServerError(
        .invalidAddress,
        "cannot listen on '\(text)': it is not an IPv4 or IPv6 address; use one of this machine, or 0.0.0.0 for all of them")
    }
    return storage
  }

  private static func failure(_ address: String, _ port: Int, _ code: Int32) -> HTTPServerError {
    let place = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    switch code {
    case EADDRINUSE:
      return HTTPServerError(
        .addressInUse, "cannot listen on \(place): another program listens there; stop it (`ss -ltnp`) or choose another port")
    case EADDRNOTAVAIL:
      return HTTPServerError(
        .invalidAddress, "cannot listen on \(place): this machine does not have that address; use one of `ip addr`, or 0.0.0.0 for all")
    case EACCES:
      return HTTPServerError(
        .system(code), "cannot listen on \(place): permission denied; choose a port from 1024 on, or give the program CAP_NET_BIND_SERVICE")
    default:
      return HTTPServerError(.system(code), "cannot listen on \(place): \(String(cString: strerror(code))) (errno \(code))")
    }
  }
}
