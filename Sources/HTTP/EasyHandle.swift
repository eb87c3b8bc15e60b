import CCurl
import ServiceRuntime

/// Owner of one libcurl easy handle: it keeps connections alive between transfers. Used by one thread at a time.
struct EasyHandle: ~Copyable {
  let pointer: UnsafeMutableRawPointer

  /// Once a process, before anything else; thread-safe by being a static.
  private static let isInitialized: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  init() {
    guard Self.isInitialized, let pointer = curl_easy_init() else { preconditionFailure("libcurl could not be initialized: out of memory") }
    self.pointer = pointer
  }

  deinit { curl_easy_cleanup(pointer) }

  /// Back to libcurl's defaults; connections and resolved names are kept.
  func reset() { curl_easy_reset(pointer) }

  func set(_ option: CURLoption, _ value: Int) { _ = spot_curl_set_long(pointer, option, value) }

  /// libcurl copies the text.
  func set(_ option: CURLoption, _ value: String) { _ = spot_curl_set_string(pointer, option, value) }

  /// A time in milliseconds. Zero would mean "no limit" to libcurl, so the least is one.
  func set(_ option: CURLoption, _ value: Duration) { set(option, Int(max(1, min(value.milliseconds, Int64(Int32.max))))) }
}

/// Owner of a libcurl list of header lines; must outlive the transfer that uses it.
struct HeaderList: ~Copyable {
  private(set) var head: UnsafeMutablePointer<curl_slist>?

  init() { head = nil }

  mutating func append(_ line: String) {
    // NULL means out of memory, and then the list is what it was.
    if let longer = curl_slist_append(head, line) { head = longer }
  }

  deinit { curl_slist_free_all(head) }
}
