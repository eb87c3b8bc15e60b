import FleetProtocol
import Glibc
import ServiceRuntime

/// The folder of the executables that commands may run (`SPOT_OPTIMIZER_COMMANDS_DIR`): checked anew at each use.
///
/// Why the file that was checked is the file that is run: it is started as `./name` in the working directory that the child took over as an
/// open descriptor, that of the folder which was checked, so no path is walked a second time. Folder, file and everything above belong to root
/// or the agent's user and are writable by nobody else, so whoever could exchange the file in between may write it anyway. (Running
/// the open file itself, `fexecve`, fails for scripts: their interpreter would be handed a descriptor that is closed by then.)
struct CommandsFolder: Sendable, Equatable {
  /// What marks the executable of the name before it as repeatable.
  static let repeatableSuffix = ".repeatable"

  /// The path, as it was set.
  let path: String

  init(path: String) { self.path = path }

  /// An executable of the folder by its file name. Throws what is wrong and how it is mended.
  func find(_ name: String) throws(ExecutableProblem) -> ExecutableFile {
    try Self.checkName(name)
    let folder = try open()
    let file = try folder.resolve(name)
    return ExecutableFile(
      name: name, path: "\(path)/\(file)", isRepeatable: try folder.isMarkedRepeatable(name), folder: self)
  }

  /// The names of what can be run, sorted; none when the folder cannot be used.
  func names() -> [String] {
    guard let folder = try? open() else { return [] }  // `find` says what is wrong with it
    return folder.entries().filter { (try? Self.checkName($0)) != nil && (try? folder.resolve($0)) != nil }.sorted()
  }

  /// Whether there is something of that name.
  var exists: Bool { access(path, F_OK) == 0 }

  /// Throws when the folder is not there, or is not safe to run files of.
  func check() throws(ExecutableProblem) { _ = try open() }

  /// The folder, open and checked.
  func open() throws(ExecutableProblem) -> OpenedCommandsFolder { try OpenedCommandsFolder.open(path) }

  /// A name is a file's name in the folder and nothing else.
  private static func checkName(_ name: String) throws(ExecutableProblem) {
    do throws(MessageError) {
      try Command.validate(name: name)
    } catch {
      throw ExecutableProblem(
        problem: "The command's name \(error.problem)", remedy: "send the file name of an executable in the agent's commands folder")
    }
  }
}

/// A commands folder that is open and has been checked.
struct OpenedCommandsFolder: ~Copyable {
  private static let linksFollowed = 8
  private static let namesInErrors = 20
  private static let deepest = 128

  /// The folder itself.
  let descriptor: Descriptor
  private let path: String

  private init(_ descriptor: consuming Descriptor, _ path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  /// Opens the folder and checks it, and everything above it, by their descriptors.
  static func open(_ path: String) throws(ExecutableProblem) -> OpenedCommandsFolder {
    let what = "The commands folder '\(printable(path))'"
    guard path.hasPrefix("/") else { throw ExecutableProblem(problem: "\(what) is no absolute path", remedy: "begin it with a /") }
    let opened = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if opened < 0 {
      let code = errno
      let problem =
        switch code {
        case ENOENT: "\(what) does not exist"
        case ENOTDIR: "\(what) is not a folder"
        default: "\(what) cannot be opened" + ExecutableProblem.text(code)
        }
      throw ExecutableProblem(
        problem: problem, remedy: "make it, owned by root and with mode 755, or set SPOT_OPTIMIZER_COMMANDS_DIR", isAbsence: code == ENOENT)
    }
    let folder = OpenedCommandsFolder(try Descriptor(opened, what), path)
    var status = stat()
    guard fstat(folder.descriptor.number, &status) == 0 else { throw ExecutableProblem.system("\(what) cannot be looked at") }
    try checkOwner(status, what, path)
    try folder.checkAbove(status)
    return folder
  }

  /// Whoever may rename what lies above could put another folder in this one's place.
  private func checkAbove(_ folder: stat) throws(ExecutableProblem) {
    var below = folder
    var up = ".."
    for _ in 0..<Self.deepest {
      let what = "The folder '\(printable(path))/\(up)'"
      var above = stat()
      guard fstatat(descriptor.number, up, &above, 0) == 0 else {
        throw ExecutableProblem(
          problem: "\(what) cannot be looked at" + ExecutableProblem.text(errno), remedy: "let the agent's user search it (chmod o+x)")
      }
      if above.st_ino == below.st_ino && above.st_dev == below.st_dev { return }
      // Where the sticky bit is set, as in /tmp, only owners rename.
      if above.st_mode & S_ISVTX == 0 || !Self.isTrusted(above.st_uid) {
        try Self.checkOwner(above, what, "\(path)/\(up)")
      }
      below = above
      up += "/.."
    }
    throw ExecutableProblem(problem: "The commands folder '\(printable(path))' lies too deep", remedy: "set SPOT_OPTIMIZER_COMMANDS_DIR")
  }

  /// The file that a name stands for: itself, or what a symbolic link names beside it. It is regular, executable and only its owner's to write.
  func resolve(_ name: String) throws(ExecutableProblem) -> String {
    var file = name
    for _ in 0...Self.linksFollowed {
      var status = stat()
      guard fstatat(descriptor.number, file, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw missing(file, of: name) }
      if status.st_mode & S_IFMT == S_IFLNK {
        file = try linked(from: file, of: name)
        continue
      }
      let full = "\(path)/\(file)"
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw ExecutableProblem(problem: "'\(printable(full))' is not a regular file", remedy: "put an executable file in its place")
      }
      try Self.checkOwner(status, "'\(printable(full))'", full)
      guard status.st_mode & 0o111 != 0, faccessat(descriptor.number, file, X_OK, AT_EACCESS) == 0 else {
        throw ExecutableProblem(
          problem: "'\(printable(full))' is not executable for the agent's user", remedy: "chmod 755 \(printable(full))")
      }
      return file
    }
    throw ExecutableProblem(problem: "'\(printable("\(path)/\(name)"))' is a chain of symbolic links", remedy: "put the file in its place")
  }

  /// Whether `<name>.repeatable` lies beside it. A mark that others could have put there is a problem, not a mark.
  func isMarkedRepeatable(_ name: String) throws(ExecutableProblem) -> Bool {
    let mark = name + CommandsFolder.repeatableSuffix
    var status = stat()
    guard fstatat(descriptor.number, mark, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return false }
    let full = "\(path)/\(mark)"
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ExecutableProblem(problem: "'\(printable(full))' is not a regular file", remedy: "make it an empty file, or remove it")
    }
    try Self.checkOwner(status, "'\(printable(full))'", full)
    return true
  }

  /// The names of everything in the folder.
  func entries() -> [String] {
    // Opened anew: reading moves a position that a copy of the descriptor would share.
    let opened = openat(descriptor.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard opened >= 0 else { return [] }
    guard let directory = fdopendir(opened) else {
      close(opened)
      return []
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if let name { names.append(name) }
    }
    return names
  }

  private func linked(from file: String, of name: String) throws(ExecutableProblem) -> String {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes in
      readlinkat(descriptor.number, file, bytes.assumingMemoryBound(to: CChar.self).baseAddress!, bytes.count)
    }
    guard count > 0 else { throw missing(file, of: name) }
    let target = String(decoding: buffer[..<count], as: UTF8.self)
    guard !target.utf8.contains(UInt8(ascii: "/")), target != ".", target != ".." else {
      throw ExecutableProblem(
        problem: "'\(printable("\(path)/\(file)"))' is a symbolic link to '\(printable(target))', which may lead out of the folder",
        remedy: "link to a file beside it by its name alone, or copy the file into the folder")
    }
    return target
  }

  private func missing(_ file: String, of name: String) -> ExecutableProblem {
    let code = errno
    let full = printable("\(path)/\(file)")
    guard code == ENOENT else {
      return ExecutableProblem(problem: "'\(full)' cannot be looked at" + ExecutableProblem.text(code), remedy: "see to its folder's mode")
    }
    if file != name {
      return ExecutableProblem(
        problem: "'\(printable("\(path)/\(name)"))' is a symbolic link to '\(printable(file))', which does not exist",
        remedy: "put the file there, or remove the link")
    }
    let names = CommandsFolder(path: path).names()
    let listed = names.prefix(Self.namesInErrors).joined(separator: ", ") + (names.count > Self.namesInErrors ? ", …" : "")
    return ExecutableProblem(
      problem: "There is no '\(printable(name))' in '\(printable(path))'",
      remedy: names.isEmpty
        ? "no command is there yet: put an executable of that name into the folder" : "commands that are there: \(listed)",
      isAbsence: true)
  }

  private static func isTrusted(_ user: uid_t) -> Bool { user == 0 || user == geteuid() }

  private static func checkOwner(_ status: stat, _ what: String, _ path: String) throws(ExecutableProblem) {
    guard isTrusted(status.st_uid) else {
      throw ExecutableProblem(
        problem: "\(what) belongs to the user \(status.st_uid), who is neither root nor the agent's user (\(geteuid()))",
        remedy: "chown root \(printable(path))")
    }
    guard status.st_mode & 0o022 == 0 else {
      let mode = String(status.st_mode & 0o7777, radix: 8)
      throw ExecutableProblem(problem: "\(what) can be written by others (mode \(mode))", remedy: "chmod go-w \(printable(path))")
    }
  }
}
