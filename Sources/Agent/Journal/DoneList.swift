import Glibc
import ServiceRuntime

/// The done records on disk: `done`, to which lines are appended, and `done.before`, which it becomes when it is full.
///
/// Any thread; appending waits for the disk.
final class DoneList: Sendable {
  private let folder: String
  private let lines: Lock<Int>

  private init(_ folder: String, lines: Int) {
    self.folder = folder
    self.lines = Lock(lines)
  }

  /// Reads both files. Lines that cannot be read are counted and passed over: they protect against a repetition and nothing else.
  static func open(_ folder: String, now: Timestamp) throws(FileError) -> (list: DoneList, records: DoneRecords, unreadable: Int) {
    let newer = try read("\(folder)/done", now)
    let older = try read("\(folder)/done.before", now)
    let list = DoneList(folder, lines: newer.lines)
    if newer.isCutOff { try list.write([0x0a]) }
    return (list, DoneRecords(newer: newer.records, older: older.records), newer.unreadable + older.unreadable)
  }

  /// Appends a line and synchronizes the file.
  func append(_ id: String, _ record: DoneRecord) throws(FileError) {
    let isFull = lines.withLock { lines in
      lines += 1
      if lines <= DoneRecords.shelf { return false }
      lines = 1
      return true
    }
    if isFull, rename("\(folder)/done", "\(folder)/done.before") != 0, errno != ENOENT {
      throw FileError("\(folder)/done", "cannot be renamed")
    }
    try write(Array(record.line(id).utf8))
  }

  private func write(_ bytes: [UInt8]) throws(FileError) {
    let path = "\(folder)/done"
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError(path, "cannot be opened") }
    defer { close(descriptor) }
    let before = lseek(descriptor, 0, SEEK_END)
    guard PrivateFile.write(bytes, to: descriptor), fdatasync(descriptor) == 0 else {
      let code = errno
      // Half a line would spoil the next one.
      ftruncate(descriptor, before)
      throw FileError(path, "cannot be written", code: code)
    }
  }

  private struct Contents {
    var records: [String: DoneRecord] = [:]
    var lines = 0
    var unreadable = 0
    var isCutOff = false
  }

  private static func read(_ path: String, _ now: Timestamp) throws(FileError) -> Contents {
    var contents = Contents()
    // A line is 250 bytes at most; a longer file is not ours and is read as far as that.
    guard let bytes = try PrivateFile.read(path, most: 2 * DoneRecords.shelf * 250), !bytes.isEmpty else { return contents }
    contents.isCutOff = bytes.last != 0x0a
    for line in bytes.split(separator: 0x0a) {
      contents.lines += 1
      guard let (id, record) = DoneRecord.parse(String(decoding: line, as: UTF8.self)[...]) else {
        contents.unreadable += 1
        continue
      }
      if now.since(record.finishedAt) < DoneRecords.lifetime { contents.records[id] = record }
    }
    return contents
  }
}
