import Glibc
import ServiceRuntime

/// Key files on disk: read with a check of who else may, written so that they are whole or absent.
enum KeyFile {
  static let mostBytes = 64 * 1024

  /// The file's bytes. With `secret`, a file that group or others may read (or write) is refused.
  static func read(_ path: String, secret: Bool) throws(ConfigurationError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw failure(path, "cannot be opened", remedy: "check the path and that this user may read it")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(path, "cannot be examined", remedy: "check the file") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ConfigurationError(name: path, problem: "is no regular file", remedy: "put a PEM file there")
    }
    if secret, status.st_mode & 0o077 != 0 {
      throw ConfigurationError(
        name: path, problem: "is open to other users (mode \(String(status.st_mode & 0o777, radix: 8)))", remedy: "run: chmod 600 \(path)")
    }
    var bytes = [UInt8](repeating: 0, count: mostBytes + 1)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure(path, "cannot be read", remedy: "check the file") }
      if count == 0 { break }
      filled += count
    }
    guard filled <= mostBytes else {
      throw ConfigurationError(name: path, problem: "is longer than \(mostBytes) bytes", remedy: "put a PEM file there")
    }
    return Array(bytes[..<filled])
  }

  /// Creates the file, which must not exist, and returns when its bytes are on disk. Nothing is left behind on failure.
  static func create(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(ConfigurationError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
    guard descriptor >= 0 else {
      throw failure(path, "cannot be created", remedy: "choose another key id, or check that this user may write to the folder")
    }
    var done = 0
    var good = true
    while good, done < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
      if count < 0 && errno == EINTR { continue }
      good = count > 0
      done += max(0, count)
    }
    // fchmod, for the umask may have taken away what others need of a public key.
    good = good && fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0
    let error = errno
    close(descriptor)
    if !good {
      unlink(path)
      errno = error
      throw failure(path, "cannot be written", remedy: "check the space on the disk")
    }
  }

  /// Puts the file in the place of whatever is there, in one step.
  static func replace(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(ConfigurationError) {
    let new = "\(path).new"
    unlink(new)
    try create(new, bytes, mode: mode)
    guard rename(new, path) == 0 else {
      let error = errno
      unlink(new)
      errno = error
      throw failure(path, "cannot be replaced", remedy: "check that this user may write to the folder")
    }
  }

  /// Makes created and renamed names last.
  static func syncFolder(_ path: String) throws(ConfigurationError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, "cannot be opened", remedy: "check the folder") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure(path, "cannot be synchronized", remedy: "check the disk") }
  }

  static func failure(_ path: String, _ problem: String, remedy: String) -> ConfigurationError {
    let code = errno
    return ConfigurationError(name: path, problem: "\(problem) ([Errno \(code)] \(String(cString: strerror(code))))", remedy: remedy)
  }
}
