import Glibc
import ServiceRuntime

/// The guide's "collect diagnostic information" as one file: a compressed archive of texts, readable by its owner only.
///
/// Whoever adds a text answers for it being without secrets. The archive is made by the system's `tar`, which every Debian has.
public struct DiagnosticBundle: Sendable {
  /// Why there is no bundle.
  public struct Problem: Error, Equatable, CustomStringConvertible {
    /// The path, what went wrong and what to do.
    public let description: String
  }

  /// The archive's one folder.
  private let name: String
  private var files: [(name: String, text: String)] = []

  /// An empty bundle that unpacks into a folder called `name`.
  public init(name: String) { self.name = name }

  /// Adds a text under a plain file name.
  public mutating func add(_ name: String, _ text: String) { files.append((name, text)) }

  /// Writes the archive, in place of a file that is there already.
  ///
  /// Blocks its thread for as long as the disk and `tar` take, some milliseconds.
  public func write(to path: String) throws(Problem) {
    let parent = path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : "."
    let directory = try makeTemporaryDirectory(in: parent.isEmpty ? "/" : parent, for: path)
    var isDone = false
    defer { remove(directory, isDone: isDone) }
    let folder = "\(directory)/\(name)"
    guard mkdir(folder, 0o700) == 0 else { throw Self.problem("cannot make", folder) }
    for file in files { try Self.write(file.text, to: "\(folder)/\(file.name)") }
    let archive = "\(directory)/bundle.tar.gz"
    // Made here with its mode, so that `tar` opens what nobody else can read.
    try Self.write("", to: archive)
    try Self.run(["tar", "--create", "--gzip", "--owner=0", "--group=0", "--file=\(archive)", "--directory=\(directory)", name])
    guard rename(archive, path) == 0 else { throw Self.problem("cannot write", path) }
    isDone = true
  }

  private func makeTemporaryDirectory(in parent: String, for path: String) throws(Problem) -> String {
    var template = Array("\(parent)/.\(name)-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!).map { String(cString: $0) } }
    guard let made else { throw Self.problem("cannot write", path) }
    return made
  }

  private func remove(_ directory: String, isDone: Bool) {
    for file in files { unlink("\(directory)/\(name)/\(file.name)") }
    rmdir("\(directory)/\(name)")
    if !isDone { unlink("\(directory)/bundle.tar.gz") }
    rmdir(directory)
  }

  private static func write(_ text: String, to path: String) throws(Problem) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw problem("cannot write", path) }
    defer { close(descriptor) }
    guard writeFully(text, to: descriptor) else { throw problem("cannot write", path) }
  }

  private static func run(_ words: [String]) throws(Problem) {
    var child = pid_t()
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    let failure = posix_spawnp(&child, words[0], nil, nil, &arguments, environ)
    guard failure == 0 else {
      throw Problem(description: "cannot start \(words[0]): [Errno \(failure)] \(String(cString: strerror(failure))); install tar")
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { throw problem("cannot wait for", words[0]) }
    }
    guard status == 0 else { throw Problem(description: "\(words[0]) failed and said why above (status \(status))") }
  }

  private static func problem(_ what: String, _ path: String) -> Problem {
    let reason = errno
    return Problem(
      description:
        "\(what) '\(printable(path))': [Errno \(reason)] \(String(cString: strerror(reason))); name a path in a folder that you may write")
  }
}
