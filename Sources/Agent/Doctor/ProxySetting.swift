import ServiceRuntime

/// Which proxy stands between this machine and the server, by libcurl's variables: resolving and connecting are its business then.
enum ProxySetting {
  /// The variable that names the proxy for a URL; `nil` when it is reached directly.
  static func variable(for url: ServerURL, _ environment: Environment) -> String? {
    // HTTP_PROXY in capitals is none of libcurl's: a web server's child would take it from a request's header.
    let names = (url.usesTLS ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy"]) + ["all_proxy", "ALL_PROXY"]
    guard let name = names.first(where: { environment[$0] != nil }) else { return nil }
    let exceptions = ["no_proxy", "NO_PROXY"].lazy.compactMap { environment[$0] }.first ?? ""
    let host = url.host.lowercased()
    let isExcepted = exceptions.lowercased().split(separator: ",").contains { entry in
      var pattern = String(entry).trimmingWhitespace()
      if pattern == "*" { return true }
      if pattern.hasPrefix(".") { pattern.removeFirst() }
      return !pattern.isEmpty && (host == pattern || host.hasSuffix(".\(pattern)"))
    }
    return isExcepted ? nil : name
  }
}
