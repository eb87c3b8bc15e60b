import CLinux
import CRabbitMQ
import Glibc
import ServiceRuntime

/// Frees librabbitmq's connection exactly once; it cannot be copied, so nobody else can hold it.
///
/// `amqp_destroy_connection` closes the socket too and sends no AMQP close (amqp.h).
private struct ConnectionHandle: ~Copyable {
  let state: amqp_connection_state_t

  init() {
    guard let state = amqp_new_connection() else { fatalError("out of memory for a connection") }
    self.state = state
  }

  deinit { amqp_destroy_connection(state) }
}

/// A logged-in connection: the only code that calls librabbitmq with a connection's handle.
///
/// One thread at a time: it is made on a thread of its own, because resolving, connecting and logging in block, and is then handed to the
/// connection's event loop. librabbitmq allows no other use (its README, "Threading").
final class Transport {
  private let handle: ConnectionHandle
  private let sendPool: UnsafeMutablePointer<amqp_pool_t>
  private var decoding = FrameDecoding()
  let descriptor: Int32
  let heartbeat: Duration

  private var state: amqp_connection_state_t { handle.state }

  /// Resolves, connects, logs in. Blocks, up to the configuration's `connectTimeout` and the time name resolution takes.
  init(connecting configuration: ConnectionConfiguration) throws(AMQPError) {
    guard configuration.virtualHost.utf8.count <= 255, !configuration.virtualHost.utf8.contains(0) else {
      throw AMQPError(.invalid, "the vhost is longer than 255 bytes or holds a NUL")
    }
    guard !configuration.username.utf8.contains(0), !configuration.password.utf8.contains(0) else {
      throw AMQPError(.invalid, "the login holds a NUL byte")
    }
    handle = ConnectionHandle()
    sendPool = .allocate(capacity: 1)
    init_amqp_pool(sendPool, 4096)
    let limit = configuration.connectTimeout
    var handshake = timeval(tv_sec: Int(limit.components.seconds), tv_usec: 0)
    amqp_set_handshake_timeout(handle.state, &handshake)
    if let tls = configuration.tls {
      try Self.openTLS(handle.state, configuration, tls, limit: &handshake)
    } else {
      guard let socket = amqp_tcp_socket_new(handle.state) else { fatalError("out of memory for a socket") }
      amqp_tcp_socket_set_sockfd(socket, try connectTCP(host: configuration.host, port: configuration.port, limit: limit))
    }
    descriptor = amqp_get_sockfd(handle.state)
    heartbeat = configuration.heartbeat

    // A peer that takes nothing for two heartbeats is dead even while we write: without this a send() into a full socket waits without limit.
    var milliseconds = UInt32(clamping: 2 * heartbeat.milliseconds)
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, socklen_t(MemoryLayout<UInt32>.size))

    var pool = amqp_pool_t()
    init_amqp_pool(&pool, 1024)
    defer { empty_amqp_pool(&pool) }
    // Without these the broker neither cancels consumers of deleted queues, nor says that it is blocked, nor why it refuses a login.
    let capabilities: FieldTable = [
      "publisher_confirms": .bool(true), "consumer_cancel_notify": .bool(true), "basic.nack": .bool(true),
      "connection.blocked": .bool(true),
      "authentication_failure_close": .bool(true), "exchange_exchange_bindings": .bool(true),
    ]
    var properties = TableCoding.encode(
      ["capabilities": .table(capabilities), "connection_name": .text(configuration.connectionName), "product": .text("spot-optimizer")],
      &pool)
    let reply = spot_amqp_login_plain(
      handle.state, configuration.virtualHost, Int32(configuration.maximumChannels), Int32(configuration.maximumFrameSize),
      Int32(heartbeat.components.seconds), &properties, configuration.username, configuration.password)
    if let error = Self.loginError(reply, configuration) { throw error }
    if configuration.inboundFrameAllowance > 0 {
      // The library's own limit only: the broker goes by what was negotiated in the login.
      let status = amqp_tune_connection(
        handle.state, amqp_get_channel_max(handle.state),
        amqp_get_frame_max(handle.state) + Int32(clamping: configuration.inboundFrameAllowance), Int32(heartbeat.components.seconds))
      guard status == AMQP_STATUS_OK.rawValue else { throw Self.transportError(status) }
    }
  }

  deinit {
    empty_amqp_pool(sendPool)
    sendPool.deallocate()
  }

  private static func openTLS(
    _ state: amqp_connection_state_t, _ configuration: ConnectionConfiguration, _ tls: TLSConfiguration, limit: inout timeval
  ) throws(AMQPError) {
    guard let socket = amqp_ssl_socket_new(state) else {
      throw AMQPError(.connect(errno: nil), "TLS could not be initialized for \(configuration.address)")
    }
    guard amqp_ssl_socket_set_cacert(socket, tls.certificateAuthorityFile) == AMQP_STATUS_OK.rawValue else {
      throw AMQPError(.connect(errno: nil), "the certificate authorities in \(printable(tls.certificateAuthorityFile)) cannot be read")
    }
    amqp_ssl_socket_set_verify_peer(socket, 1)
    amqp_ssl_socket_set_verify_hostname(socket, 1)
    amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST)
    let status = amqp_socket_open_noblock(socket, configuration.host, Int32(configuration.port), &limit)
    guard status != AMQP_STATUS_OK.rawValue else { return }
    // librabbitmq keeps no errno: a connection of our own tells what the network says, before TLS is blamed.
    close(try connectTCP(host: configuration.host, port: configuration.port, limit: configuration.connectTimeout))
    throw AMQPError(.connect(errno: nil), "TLS with \(configuration.address) failed: \(text(ofStatus: status))")
  }

  private static func loginError(_ reply: amqp_rpc_reply_t, _ configuration: ConnectionConfiguration) -> AMQPError? {
    switch reply.reply_type {
    case AMQP_RESPONSE_NORMAL: return nil
    case AMQP_RESPONSE_SERVER_EXCEPTION where reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD:
      guard let close = reply.reply.decoded?.assumingMemoryBound(to: amqp_connection_close_t.self).pointee else { break }
      let code = Int(close.reply_code)
      let text = string(close.reply_text)
      if code == 403 { return AMQPError(.loginRefused, "login refused by \(configuration.address): \(text)") }
      return AMQPError(.connectionClosed(code: code), "\(configuration.address) closed the connection: \(code) \(text)")
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
      let status = reply.library_error
      if status == AMQP_STATUS_TIMEOUT.rawValue {
        return AMQPError(.timeout, "\(configuration.address) did not answer the login within \(configuration.connectTimeout.inSeconds)s")
      }
      return AMQPError(.transport(status: status), "login at \(configuration.address) failed: \(text(ofStatus: status))")
    default: break
    }
    return AMQPError(.transport(status: 0), "login at \(configuration.address) failed")
  }

  /// `product` and `version` of the broker's properties in `connection.start` (AMQP 0-9-1, 1.4.2.1).
  var brokerName: String? {
    guard let table = amqp_get_server_properties(state)?.pointee else { return nil }
    let entries = UnsafeBufferPointer(start: table.entries, count: Int(table.num_entries))
    let words = ["product", "version"].compactMap { name -> String? in
      guard let entry = entries.first(where: { string($0.key) == name }), entry.value.kind == UInt8(ascii: "S") else { return nil }
      return string(entry.value.value.bytes)
    }
    return words.isEmpty ? nil : words.joined(separator: " ")
  }

  // MARK: Reading

  /// The next frame that is there, without waiting; `nil` when there is none. Also sends the heartbeat that is due and
  /// notices a peer that is silent.
  func nextFrame() throws(AMQPError) -> InboundFrame? {
    amqp_maybe_release_buffers(state)
    var frame = amqp_frame_t()
    let status = spot_amqp_poll_frame(state, &frame)
    if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
    guard status == AMQP_STATUS_OK.rawValue else { throw Self.transportError(status) }
    switch Int32(frame.frame_type) {
    case AMQP_FRAME_METHOD: return .method(channel: frame.channel, decoding.method(frame.payload.method))
    case AMQP_FRAME_HEADER:
      let properties = frame.payload.properties
      return .header(channel: frame.channel, bodySize: properties.body_size, Message(ReceivedProperties(bytes(properties.raw))))
    case AMQP_FRAME_BODY: return .body(channel: frame.channel, bytes(frame.payload.body_fragment))
    default: return .heartbeat
    }
  }

  // MARK: Writing

  /// Sends a method whose argument structure is built by `arguments` in the pool it is given.
  func send<Arguments: BitwiseCopyable>(
    _ method: amqp_method_number_t, channel: UInt16, _ arguments: @Sendable (inout amqp_pool_t) throws(AMQPError) -> Arguments
  ) throws(AMQPError) {
    defer { recycle_amqp_pool(sendPool) }
    var decoded = try arguments(&sendPool.pointee)
    let status = amqp_send_method(state, channel, method, &decoded)
    guard status == AMQP_STATUS_OK.rawValue else { throw Self.transportError(status) }
  }

  /// Writes method, header and body frames of a message. Returning proves nothing: only a confirm does.
  ///
  /// The caller has read what there was shortly before: with heartbeats on and nothing read for two intervals, `amqp_basic_publish` of
  /// librabbitmq before 0.14 waits for a frame without limit (rabbitmq-c issue 780).
  func publish(_ publication: Publication, channel: UInt16) throws(AMQPError) {
    defer { recycle_amqp_pool(sendPool) }
    let exchange = try shortString(publication.exchange, "exchange", &sendPool.pointee)
    let routingKey = try shortString(publication.routingKey, "routing key", &sendPool.pointee)
    var properties = try FrameDecoding.properties(publication.message, &sendPool.pointee)
    let status = publication.message.body.withUnsafeBytes { body in
      amqp_basic_publish(
        state, channel, exchange, routingKey, publication.mandatory ? 1 : 0, 0, &properties,
        amqp_bytes_t(len: body.count, bytes: UnsafeMutableRawPointer(mutating: body.baseAddress)))
    }
    guard status == AMQP_STATUS_OK.rawValue else { throw Self.transportError(status) }
  }

  private static func transportError(_ status: Int32) -> AMQPError {
    switch status {
    case AMQP_STATUS_HEARTBEAT_TIMEOUT.rawValue:
      AMQPError(.transport(status: status), "the broker was silent for two heartbeats")
    case AMQP_STATUS_CONNECTION_CLOSED.rawValue:
      AMQPError(.transport(status: status), "[Errno 104] Connection reset by peer")
    case AMQP_STATUS_TABLE_TOO_BIG.rawValue:
      AMQPError(.invalid, "the headers do not fit a frame")
    default: AMQPError(.transport(status: status), text(ofStatus: status))
    }
  }
}

/// A string argument of at most 255 bytes (AMQP 0-9-1, 4.2.5.3), copied into the pool.
func shortString(_ text: String, _ what: String, _ pool: inout amqp_pool_t) throws(AMQPError) -> amqp_bytes_t {
  guard text.utf8.count <= 255 else {
    throw AMQPError(
      .invalid, "the \(what) '\(printable(String(text.prefix(40))))…' is \(text.utf8.count) bytes long; at most 255 can be sent")
  }
  return TableCoding.copy(text, &pool)
}

func string(_ bytes: amqp_bytes_t) -> String {
  guard let base = bytes.bytes, bytes.len > 0 else { return "" }
  return String(decoding: UnsafeRawBufferPointer(start: base, count: bytes.len), as: UTF8.self)
}

func bytes(_ bytes: amqp_bytes_t) -> [UInt8] {
  guard let base = bytes.bytes, bytes.len > 0 else { return [] }
  return [UInt8](UnsafeRawBufferPointer(start: base, count: bytes.len))
}

private func text(ofStatus status: Int32) -> String { String(cString: amqp_error_string2(status)) }
