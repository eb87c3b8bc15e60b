import CCurl
import ServiceRuntime

/// One request and its answer as it comes in. Lives on the client's thread for the time of one blocking call.
final class Transfer {
  private let request: HTTPClientRequest
  private let defaults: TransferDefaults
  private let cancellation: Cancellation
  private var headers = HTTPHeaders()
  private var body: [UInt8] = []
  private var isTooLarge = false

  init(_ request: HTTPClientRequest, _ defaults: TransferDefaults, _ cancellation: Cancellation) {
    self.request = request
    self.defaults = defaults
    self.cancellation = cancellation
  }

  /// Blocks until the answer is there, the time is over or the task was cancelled.
  func run(on handle: borrowing EasyHandle) -> Result<HTTPResponse, HTTPClientError> {
    if let problem = problem { return .failure(.invalidRequest(problem)) }
    handle.reset()
    defer { handle.reset() }  // the handle must not keep pointers into this transfer
    let list = headerList()
    configure(handle)
    _ = spot_curl_set_list(handle.pointer, CURLOPT_HTTPHEADER, list.head)

    var message = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
    let code = message.withUnsafeMutableBufferPointer { message in
      request.body.withUnsafeBytes { body in
        _ = spot_curl_set_pointer(handle.pointer, CURLOPT_ERRORBUFFER, message.baseAddress)
        if sendsBody {
          // Not copied by libcurl; an absent base address would make it read the body from standard input.
          _ = spot_curl_set_offset(handle.pointer, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
          if let start = body.baseAddress, !body.isEmpty {
            _ = spot_curl_set_pointer(handle.pointer, CURLOPT_POSTFIELDS, start)
          } else {
            _ = spot_curl_set_string(handle.pointer, CURLOPT_POSTFIELDS, "")
          }
        }
        return curl_easy_perform(handle.pointer)
      }
    }
    withExtendedLifetime(list) {}
    if code == CURLE_OK {
      let status = spot_curl_get_long(handle.pointer, CURLINFO_RESPONSE_CODE)
      return .success(HTTPResponse(status: status, headers: headers, body: body))
    }
    if isTooLarge || code == CURLE_FILESIZE_EXCEEDED { return .failure(.tooLarge(defaults.responseLimit)) }
    if cancellation.isCancelled { return .failure(.cancelled) }
    let detail = message.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    return .failure(
      HTTPClientError(
        code: code, systemError: Int32(clamping: spot_curl_get_long(handle.pointer, CURLINFO_OS_ERRNO)),
        wasConnected: spot_curl_get_offset(handle.pointer, CURLINFO_PRETRANSFER_TIME_T) > 0,
        detail: detail.isEmpty ? String(cString: curl_easy_strerror(code)) : printable(detail)))
  }

  private var sendsBody: Bool {
    switch request.method {
    case "HEAD": false
    case "POST", "PUT", "PATCH": true
    default: !request.body.isEmpty
    }
  }

  /// What must not reach libcurl: it would send a line break inside a header as it is, and so another header or request.
  private var problem: String? {
    let isToken = { (text: String) in
      !text.isEmpty
        && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
    }
    guard isToken(request.method) else { return "The method '\(printable(request.method))' is not an HTTP method" }
    guard !request.url.utf8.contains(0) else { return "The URL contains a NUL" }
    for (name, value) in request.headers {
      guard isToken(name) else { return "The header name '\(printable(name))' is not one" }
      guard !value.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) else {
        return "The value of the header '\(name)' contains a control character, such as a line break; remove it"
      }
    }
    return nil
  }

  private func headerList() -> HeaderList {
    var list = HeaderList()
    // Without these libcurl would wait a second for `100 Continue` before a large body, and call every body a form.
    if request.headers["Expect"] == nil { list.append("Expect:") }
    if sendsBody && request.headers["Content-Type"] == nil { list.append("Content-Type:") }
    // A header without a value is written with a semicolon: `name:` would remove it (CURLOPT_HTTPHEADER(3)).
    for (name, value) in request.headers { list.append(value.isEmpty ? "\(name);" : "\(name): \(value)") }
    return list
  }

  private func configure(_ handle: borrowing EasyHandle) {
    handle.set(CURLOPT_URL, request.url)
    handle.set(CURLOPT_PROTOCOLS_STR, "http,https")
    handle.set(CURLOPT_FOLLOWLOCATION, 0)
    handle.set(CURLOPT_NOSIGNAL, 1)
    // Otherwise a time-out or cancellation during name resolution waits until the resolver gives up; so its thread frees itself later.
    handle.set(CURLOPT_QUICK_EXIT, 1)
    handle.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
    handle.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    handle.set(CURLOPT_USERAGENT, defaults.userAgent)
    handle.set(CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout ?? defaults.connectTimeout)
    handle.set(CURLOPT_TIMEOUT_MS, request.timeout ?? defaults.timeout)
    // Refuses by the announced length; what is not announced is counted as it comes.
    _ = spot_curl_set_offset(handle.pointer, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(defaults.responseLimit))
    if let caFile = defaults.caFile { handle.set(CURLOPT_CAINFO, caFile) }
    if request.bypassesProxy { handle.set(CURLOPT_NOPROXY, "*") }

    switch request.method {
    case "GET" where !sendsBody: handle.set(CURLOPT_HTTPGET, 1)
    case "HEAD": handle.set(CURLOPT_NOBODY, 1)
    default: handle.set(CURLOPT_CUSTOMREQUEST, request.method)
    }

    let context = Unmanaged.passUnretained(self).toOpaque()
    _ = spot_curl_set_data_callback(handle.pointer, CURLOPT_WRITEFUNCTION, receiveBody)
    _ = spot_curl_set_pointer(handle.pointer, CURLOPT_WRITEDATA, context)
    _ = spot_curl_set_data_callback(handle.pointer, CURLOPT_HEADERFUNCTION, receiveHeader)
    _ = spot_curl_set_pointer(handle.pointer, CURLOPT_HEADERDATA, context)
    _ = spot_curl_set_progress_callback(handle.pointer, reportProgress)
    _ = spot_curl_set_pointer(handle.pointer, CURLOPT_XFERINFODATA, context)
    handle.set(CURLOPT_NOPROGRESS, 0)
  }

  /// Whether the piece was taken; if not, libcurl ends the transfer.
  fileprivate func take(body piece: UnsafeRawBufferPointer) -> Bool {
    guard body.count + piece.count <= defaults.responseLimit else {
      isTooLarge = true
      return false
    }
    body.append(contentsOf: piece)
    return true
  }

  fileprivate func take(header line: UnsafeRawBufferPointer) {
    let text = String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      headers = HTTPHeaders()  // a status line: what came before belonged to an interim answer, such as 100
    } else if let colon = text.firstIndex(of: ":") {
      headers.add(text[..<colon].description, text[text.index(after: colon)...].description.trimmingWhitespace())
    }
  }

  fileprivate var isCancelled: Bool { cancellation.isCancelled }
}

// The callbacks are free functions in no isolation; libcurl calls them inside `curl_easy_perform`, on its caller's thread.

private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer {
  Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
}

private let receiveBody: spot_curl_data_callback = { data, size, count, context in
  transfer(context).take(body: UnsafeRawBufferPointer(start: data, count: size * count)) ? size * count : 0
}

private let receiveHeader: spot_curl_data_callback = { data, size, count, context in
  transfer(context).take(header: UnsafeRawBufferPointer(start: data, count: size * count))
  return size * count
}

/// Called at least once a second, also while libcurl waits; anything but zero aborts the transfer (CURLOPT_XFERINFOFUNCTION(3)).
private let reportProgress: curl_xferinfo_callback = { context, _, _, _, _ in transfer(context).isCancelled ? 1 : 0 }
