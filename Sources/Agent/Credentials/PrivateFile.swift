import Glibc
import ServiceRuntime

/// A file operation that failed, in the system's words.
struct FileError: Error, CustomStringConvertible {
  let description: String

  init(_ path: String, _ problem: String, code: Int32 = errno) {
    description = "\(printable(path)) \(problem) ([Errno \(code)] \(String(cString: strerror(code))))"
  }
}

/// Small files for the owner alone (mode 600), written so that they are whole or absent whatever happens in between.
enum PrivateFile {
  /// The file's bytes, `nil` when there is none. `most` bounds what a foreign file can make us read.
  static func read(_ path: String, most: Int) throws(FileError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    if descriptor < 0 && errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw FileError(path, "cannot be opened") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path, "cannot be looked at") }
    let most = min(most, max(0, Int(status.st_size)))
    var bytes = [UInt8](repeating: 0, count: most)
    var filled = 0
    while filled < most {
      let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), most - filled) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw FileError(path, "cannot be read") }
      if count == 0 { break }
      filled += count
    }
    return Array(bytes[..<filled])
  }

  /// Writes a new file, synchronizes it, gives it the name, and synchronizes the folder.
  static func replace(_ path: String, in folder: String, with bytes: [UInt8]) throws(FileError) {
    // The process id keeps two agents under one name from writing into each other's new file.
    let new = "\(path).\(getpid()).new"
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError(new, "cannot be created") }
    let isWritten = write(bytes, to: descriptor) && fsync(descriptor) == 0
    let code = errno
    close(descriptor)
    guard isWritten else {
      unlink(new)
      throw FileError(new, "cannot be written", code: code)
    }
    guard rename(new, path) == 0 else {
      let code = errno
      unlink(new)
      throw FileError(path, "cannot be replaced", code: code)
    }
    try synchronize(folder)
  }

  /// Makes the names in a folder outlast a power cut.
  static func synchronize(_ folder: String) throws(FileError) {
    let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw FileError(folder, "cannot be opened") }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw FileError(folder, "cannot be synchronized") }
  }

  /// Writes all of it; `false` when it could not, with the reason in `errno`.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      done += count
    }
    return true
  }
}
