import Glibc
import ServiceRuntime

/// Where the programs are that are measured.
struct Programs: Sendable {
  /// The folder of `spot-optimizer-server` and `spot-optimizer-agent`; `nil`: that of this program.
  var folder: String?
  /// The folder of the bare C loops of `Benchmarks/`; `nil`: they are not measured.
  var limits: String?

  /// The path of one of ours.
  func product(_ name: String) throws -> String {
    try Self.check(
      try folder ?? Self.ownFolder(), name, option: "--programs", remedy: "build it (swift build -c release), or give its folder")
  }

  /// A bare C loop, if those are to be measured.
  func limit(_ name: String) throws -> LimitProgram? {
    guard let limits else { return nil }
    return LimitProgram(
      path: try Self.check(limits, name, option: "--limits", remedy: "let script/bench compile it, or leave the option out"))
  }

  private static func check(_ folder: String, _ name: String, option: String, remedy: String) throws -> String {
    let path = "\(folder)/\(name)"
    guard access(path, X_OK) == 0 else {
      throw ConfigurationError(
        name: option,
        problem: "is '\(printable(folder))', where \(name) is no program to be run ([Errno \(errno)] \(String(cString: strerror(errno))))",
        remedy: remedy)
    }
    return path
  }

  private static func ownFolder() throws -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &path, path.count)
    guard count > 0 else { throw BenchError("readlink /proc/self/exe: \(String(cString: strerror(errno)))") }
    let own = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])
  }
}
