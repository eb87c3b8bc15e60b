import Glibc
import ServiceRuntime

/// Why there is no journal.
enum JournalProblem: Error, CustomStringConvertible {
  /// Another process holds it: its folder.
  case inUse(String)
  /// The disk does not let us.
  case file(FileError)

  var description: String {
    switch self {
    case .inUse(let folder):
      "Another process uses the journal \(folder): stop it, or give each agent a LOGICAL_AGENT_ID or a SPOT_OPTIMIZER_STATE_DIR of its own"
    case .file(let error): "\(error): the journal of commands cannot be used; make room, or set SPOT_OPTIMIZER_STATE_DIR to another folder"
    }
  }
}

/// The folder of one agent's journal, held against every other process for as long as this lives.
final class JournalFolder: Sendable {
  /// Whose journal it is: an agent of one client at one server. Not by the token, as the credential: a token that was changed must not lose commands.
  struct Owner: Sendable, Equatable {
    let serverURL: String
    let clientID: String
    let logicalAgentID: String

    var name: String { "journal-\(Checksum.of("\(serverURL)\n\(clientID)\n\(logicalAgentID)").hexadecimal)" }
  }

  /// Its path.
  let path: String
  private let lock: Int32

  /// Makes the folder when it is not there, and takes its lock.
  init(of owner: Owner, in state: StateFolder) throws(JournalProblem) {
    path = "\(state.path)/\(owner.name)"
    if mkdir(path, 0o700) == 0 {
      do throws(FileError) { try PrivateFile.synchronize(state.path) } catch { throw .file(error) }
    } else if errno != EEXIST {
      throw .file(FileError(path, "cannot be created"))
    }
    // Never a child's: it would hold the lock when we are gone.
    lock = open("\(path)/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else { throw .file(FileError("\(path)/lock", "cannot be opened")) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      if errno == EWOULDBLOCK { throw .inUse(path) }
      throw .file(FileError("\(path)/lock", "cannot be locked"))
    }
    // For people who look whose folder this is; the lock does not need it, so a full disk may keep it from being written.
    let text = "server \(owner.serverURL)\nclient \(owner.clientID)\nagent \(owner.logicalAgentID)\nprocess \(getpid())\n"
    if ftruncate(lock, 0) == 0 { _ = PrivateFile.write(Array(text.utf8), to: lock) }
  }

  deinit { if lock >= 0 { close(lock) } }

  /// The names in it. Throws when it cannot be read.
  func names() throws(FileError) -> [String] {
    guard let directory = opendir(path) else { throw FileError(path, "cannot be read") }
    defer { closedir(directory) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(directory) {
      names.append(withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
      errno = 0
    }
    guard errno == 0 else { throw FileError(path, "cannot be read") }
    return names
  }

  /// A file of it.
  func file(_ name: String) -> String { "\(path)/\(name)" }
}
