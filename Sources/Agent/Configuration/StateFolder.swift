import Glibc
import ServiceRuntime

/// The folder of what outlives the process, for its owner alone (mode 700).
struct StateFolder: Sendable {
  /// Its path, without a slash at its end.
  let path: String

  /// The folder of `SPOT_OPTIMIZER_STATE_DIR`, or the user's own: made when it is not there (but for who `makes` nothing), and checked to be writable.
  init(_ environment: Environment, makes: Bool = true) throws(ConfigurationError) {
    try self.init(path: Self.location(environment), makes: makes)
  }

  /// Makes the folder, with those above it, and checks that it can be written. Without `makes` it only looks whether both could be done.
  init(path: String, makes: Bool = true) throws(ConfigurationError) {
    let name = "SPOT_OPTIMIZER_STATE_DIR"
    func failure(_ problem: String) -> ConfigurationError {
      ConfigurationError(
        name: name, problem: "is '\(printable(path))', which \(problem) ([Errno \(errno)] \(String(cString: strerror(errno))))",
        remedy: "set it to a folder that this user may create and write")
    }
    guard path.hasPrefix("/") else {
      throw ConfigurationError(name: name, problem: "is '\(printable(path))', which is no absolute path", remedy: "begin it with a /")
    }
    var path = path
    while path.count > 1 && path.last == "/" { path.removeLast() }
    self.path = path
    guard makes else {
      var existing = path
      while access(existing, F_OK) != 0, errno == ENOENT, let slash = existing.lastIndex(of: "/"), existing.count > 1 {
        existing = slash == existing.startIndex ? "/" : String(existing[..<slash])
      }
      guard access(existing, R_OK | W_OK | X_OK) == 0 else { throw failure(existing == path ? "cannot be written" : "cannot be created") }
      return
    }
    var end = path.startIndex
    while end < path.endIndex {
      end = path[path.index(after: end)...].firstIndex(of: "/") ?? path.endIndex
      let isLast = end == path.endIndex
      if mkdir(String(path[..<end]), isLast ? 0o700 : 0o755) != 0 && errno != EEXIST { throw failure("cannot be created") }
    }
    guard access(path, R_OK | W_OK | X_OK) == 0 else { throw failure("cannot be written") }
  }

  private static func location(_ environment: Environment) throws(ConfigurationError) -> String {
    if let path = environment["SPOT_OPTIMIZER_STATE_DIR"] { return path }
    if geteuid() == 0 { return "/var/lib/spot-optimizer" }
    if let folder = environment["XDG_STATE_HOME"] { return "\(folder)/spot-optimizer" }
    if let home = environment["HOME"] { return "\(home)/.local/state/spot-optimizer" }
    throw ConfigurationError(
      name: "SPOT_OPTIMIZER_STATE_DIR", problem: "is not set, and neither is HOME", remedy: "set it to a folder that this user may write")
  }
}
