import CMicroHTTPD
import Glibc
import HTTP

/// Owner of one libmicrohttpd daemon and its listening socket.
///
/// It runs in the library's external polling mode, and every call to it comes from one thread: in 0.9.75 `MHD_quiesce_daemon` may abort
/// the process when it meets the library's own thread (`MHD_epoll` removes the socket from epoll as well), and `MHD_resume_connection`
/// touches the daemon after it let go of its lock, so that a stop on another thread could free it before.
struct MicroHTTPDaemon: ~Copyable {
  private let daemon: OpaquePointer
  /// The socket after `stopAccepting`; ours to close, but only after `MHD_stop_daemon` (microhttpd.h).
  private var quiesced: Int32 = -1

  /// `loop` must outlive the daemon; it is called from inside `run` and from this owner's end.
  init(_ socket: consuming ListeningSocket, _ configuration: HTTPServerConfiguration, for loop: ServerLoop) throws(HTTPServerError) {
    var flags = MHD_USE_EPOLL.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
    if socket.isIPv6 { flags |= MHD_USE_IPv6.rawValue }
    let port = socket.port
    // The daemon closes the socket, also when it fails to start.
    let daemon = spot_mhd_start(
      socket.release(), flags, configuration.headerMemory, UInt32(clamping: configuration.connections), handleAccess, handleBegin,
      handleCompleted, handleConnection, Unmanaged.passUnretained(loop).toOpaque())
    guard let daemon else {
      let code = errno
      throw HTTPServerError(
        .system(code), "cannot start the HTTP server on port \(port): \(String(cString: strerror(code))) (errno \(code))")
    }
    self.daemon = daemon
  }

  /// Readable when `run` has something to do.
  var pollDescriptor: Int32 { spot_mhd_epoll_descriptor(daemon) }

  /// Whether `run` has something to do without waiting for the descriptor.
  var hasPendingWork: Bool {
    var milliseconds: UInt64 = 0
    return MHD_get_timeout(daemon, &milliseconds) == .YES && milliseconds == 0
  }

  /// Accepts, reads and writes what is possible without waiting; calls the loop back.
  func run() { _ = MHD_run(daemon) }

  /// Refuses new connections from now on; those that are there go on.
  mutating func stopAccepting() {
    guard quiesced < 0 else { return }
    quiesced = MHD_quiesce_daemon(daemon)
    // The socket stays open until the end; without this the kernel would go on taking connections that nobody answers.
    if quiesced >= 0 { shutdown(quiesced, Int32(SHUT_RDWR)) }
  }

  deinit {
    MHD_stop_daemon(daemon)
    if quiesced >= 0 { close(quiesced) }
  }
}

/// One connection of the daemon, valid until its request is completed; used on the daemon's thread only.
struct MicroHTTPConnection {
  let pointer: OpaquePointer

  var descriptor: Int32 { spot_mhd_connection_descriptor(pointer) }

  /// The other end's address; an IPv4 address that arrived at an IPv6 socket is shown as the IPv4 address it is.
  var remoteAddress: String {
    guard let address = spot_mhd_client_address(pointer) else { return "" }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let raw = UnsafeRawPointer(address)
    if address.pointee.sa_family == sa_family_t(AF_INET6) {
      var binary = raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
      inet_ntop(AF_INET6, &binary, &text, socklen_t(text.count))
    } else {
      var binary = raw.loadUnaligned(as: sockaddr_in.self).sin_addr
      inet_ntop(AF_INET, &binary, &text, socklen_t(text.count))
    }
    let shown = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    return shown.hasPrefix("::ffff:") && shown.contains(".") ? String(shown.dropFirst(7)) : shown
  }

  var headers: HTTPHeaders {
    var headers = HTTPHeaders()
    withUnsafeMutablePointer(to: &headers) { pointer in
      _ = MHD_get_connection_values(self.pointer, .HEADER_KIND, collectHeader, pointer)
    }
    return headers
  }

  func suspend() { MHD_suspend_connection(pointer) }

  func resume() { MHD_resume_connection(pointer) }

  /// Queues the answer. `closing` tells the client not to send another request on this connection.
  func queue(_ response: HTTPResponse, closing: Bool) -> MHD_Result {
    let made = response.body.withUnsafeBytes { body in
      // The library copies, in spite of the pointer's type.
      MHD_create_response_from_buffer(body.count, UnsafeMutableRawPointer(mutating: body.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let made else { return .NO }
    defer { MHD_destroy_response(made) }
    for (name, value) in response.headers {
      // Refused when it would break the response apart: a line break inside, or a field that the library computes.
      guard MHD_add_response_header(made, name, value) == .YES else { return .NO }
    }
    if closing { _ = MHD_add_response_header(made, "Connection", "close") }
    return MHD_queue_response(pointer, UInt32(clamping: response.status), made)
  }
}

// The callbacks are free functions in no isolation: a closure written inside an actor would trap on the loop's thread.

private func loop(_ context: UnsafeMutableRawPointer?) -> ServerLoop {
  Unmanaged<ServerLoop>.fromOpaque(context!).takeUnretainedValue()
}

private let collectHeader: MHD_KeyValueIterator = { context, _, name, value in
  guard let context, let name else { return .YES }
  context.assumingMemoryBound(to: HTTPHeaders.self).pointee.add(String(cString: name), value.map { String(cString: $0) } ?? "")
  return .YES
}

/// The first thing heard of a request: its raw target, before the library decodes it leniently. What is returned is the request's context
/// in the other callbacks, and `handleCompleted` is called for each (connection.c, `client_aware`).
private let handleBegin: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) -> UnsafeMutableRawPointer? = {
  _, target, connection in
  guard let connection else { return nil }
  let bytes = target.map { UnsafeBufferPointer(start: $0, count: strlen($0)).map { UInt8(bitPattern: $0) } } ?? []
  return Unmanaged.passRetained(RequestReception(target: bytes, on: MicroHTTPConnection(pointer: connection))).toOpaque()
}

private let handleAccess: MHD_AccessHandlerCallback = { context, _, _, method, _, data, size, request in
  guard let method, let size, let reception = request?.pointee else { return .NO }
  return loop(context).advance(
    Unmanaged<RequestReception>.fromOpaque(reception).takeUnretainedValue(), method: method, data: data, size: size)
}

private let handleCompleted: MHD_RequestCompletedCallback = { context, _, request, _ in
  guard let reception = request?.pointee else { return }
  request?.pointee = nil
  loop(context).completed(Unmanaged<RequestReception>.fromOpaque(reception).takeRetainedValue())
}

private let handleConnection: MHD_NotifyConnectionCallback = { context, connection, _, event in
  guard let connection else { return }
  let descriptor = MicroHTTPConnection(pointer: connection).descriptor
  if event == .CONNECTION_NOTIFY_STARTED { loop(context).opened(descriptor) } else { loop(context).closed(descriptor) }
}
