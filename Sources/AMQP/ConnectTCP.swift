import CLinux
import Glibc
import ServiceRuntime

/// A connected, non-blocking TCP socket that is not inherited by child processes; the caller owns it.
///
/// librabbitmq's own connect keeps no errno, gives up at the first address that times out, and sets close-on-exec late; this one
/// tries every address within the limit. Errors read as the guide has them: `[Errno 111] Connection refused`. Blocks.
func connectTCP(host: String, port: Int, limit: Duration) throws(AMQPError) -> Int32 {
  var hints = addrinfo()
  hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
  hints.ai_flags = AI_ADDRCONFIG
  var found: UnsafeMutablePointer<addrinfo>?
  let code = getaddrinfo(host, String(port), &hints, &found)
  guard code == 0, let first = found else {
    throw AMQPError(.connect(errno: nil), "[Errno \(code)] \(String(cString: gai_strerror(code)))")
  }
  defer { freeaddrinfo(first) }
  let end = ContinuousClock.now + limit
  var failure = AMQPError(.connect(errno: EHOSTUNREACH), "[Errno \(EHOSTUNREACH)] \(String(cString: strerror(EHOSTUNREACH)))")
  var next: UnsafeMutablePointer<addrinfo>? = first
  while let address = next {
    next = address.pointee.ai_next
    let descriptor = socket(address.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else {
      failure = connectError(errno)
      continue
    }
    if let error = finishConnect(descriptor, address.pointee, until: end) {
      failure = error
      close(descriptor)
      continue
    }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, socklen_t(MemoryLayout<Int32>.size))
    return descriptor
  }
  throw failure
}

private func finishConnect(_ descriptor: Int32, _ address: addrinfo, until end: ContinuousClock.Instant) -> AMQPError? {
  if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return nil }
  guard errno == EINPROGRESS else { return connectError(errno) }
  while true {
    let left = ContinuousClock.now.duration(to: end)
    guard left > .zero else { return AMQPError(.timeout, "Connect timed out.") }
    var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    let count = poll(&waited, 1, Int32(clamping: left.milliseconds + 1))
    if count < 0 && errno != EINTR { return connectError(errno) }
    guard count > 0 else { continue }
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
    return code == 0 ? nil : connectError(code)
  }
}

private func connectError(_ code: Int32) -> AMQPError {
  AMQPError(code == ETIMEDOUT ? .timeout : .connect(errno: code), "[Errno \(code)] \(String(cString: strerror(code)))")
}
