import Glibc
import ServiceRuntime

/// A name that has no address, in the resolver's words: `[Errno -2] Name or service not known`.
struct ResolutionFailure: Error, Equatable, CustomStringConvertible {
  let description: String
}

/// The addresses of a host, as the agent's connections get them, each once. Blocks a thread made for it, for as long as the resolver takes.
func resolve(_ host: String) async throws(ResolutionFailure) -> [String] {
  let result: Result<[String], ResolutionFailure> = await withCheckedContinuation { continuation in start(host, continuation) }
  return try result.get()
}

/// Outside any actor: what runs on the thread must not be written in an isolated context.
private func start(_ host: String, _ continuation: CheckedContinuation<Result<[String], ResolutionFailure>, Never>) {
  startThread(name: "resolver") {
    do throws(ResolutionFailure) {
      continuation.resume(returning: .success(try addresses(of: host)))
    } catch {
      continuation.resume(returning: .failure(error))
    }
  }
}

private func addresses(of host: String) throws(ResolutionFailure) -> [String] {
  var hints = addrinfo()
  hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
  hints.ai_flags = AI_ADDRCONFIG
  var found: UnsafeMutablePointer<addrinfo>?
  let code = getaddrinfo(host, nil, &hints, &found)
  guard code == 0, let first = found else {
    throw ResolutionFailure(description: "[Errno \(code)] \(String(cString: gai_strerror(code)))")
  }
  defer { freeaddrinfo(first) }
  var texts: [String] = []
  var next: UnsafeMutablePointer<addrinfo>? = first
  while let address = next {
    next = address.pointee.ai_next
    var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let status = getnameinfo(
      address.pointee.ai_addr, address.pointee.ai_addrlen, &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
    let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if status == 0, !texts.contains(text) { texts.append(text) }
  }
  return texts
}
