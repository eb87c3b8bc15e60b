import FleetProtocol
import Glibc
import ServiceRuntime

/// The commands an agent has taken over and not yet reported, one file each, so that an agent that is killed at any instruction neither loses nor
/// repeats one.
///
/// Files: `<id>.command` for what is not reported yet (`JournalEntry`), `done` and `done.before` for the ids of what is (`DoneList`), `lock`. A file is
/// replaced as a whole, and is on disk when a call returns. Any thread; every call waits for the disk, see `DiskWork`. Calls about one command come
/// one after the other.
final class Journal: Sendable {
  /// What the files said when the journal was opened.
  struct Contents: Sendable {
    /// The entries, in the order in which they were accepted.
    var entries: [JournalEntry] = []
    /// What is done.
    var done = DoneRecords()
    /// Log lines about what could not be read.
    var problems: [String] = []
  }

  private static let suffix = ".command"

  /// Where it lies, for errors.
  var path: String { folder.path }
  private let folder: JournalFolder
  private let done: DoneList
  private let onStep: @Sendable (JournalStep) -> Void

  private init(_ folder: JournalFolder, _ done: DoneList, _ onStep: @escaping @Sendable (JournalStep) -> Void) {
    self.folder = folder
    self.done = done
    self.onStep = onStep
  }

  /// Reads the journal. What is damaged is set aside and told.
  static func open(
    _ folder: JournalFolder, now: Timestamp, onStep: @escaping @Sendable (JournalStep) -> Void = { _ in }
  ) throws(JournalProblem) -> (journal: Journal, contents: Contents) {
    do throws(FileError) {
      return try read(folder, now, onStep)
    } catch {
      throw .file(error)
    }
  }

  private static func read(
    _ folder: JournalFolder, _ now: Timestamp, _ onStep: @escaping @Sendable (JournalStep) -> Void
  ) throws(FileError) -> (journal: Journal, contents: Contents) {
    var contents = Contents()
    let (list, records, unreadable) = try DoneList.open(folder.path, now: now)
    contents.done = records
    if unreadable > 0 {
      contents.problems.append("\(unreadable) lines of \(folder.file("done")) cannot be read and were passed over")
    }
    for name in try folder.names() {
      if name.hasSuffix(".new") {
        // Somebody was killed while they wrote it.
        unlink(folder.file(name))
      } else if name.hasSuffix(suffix) {
        do throws(JournalDamage) {
          contents.entries.append(try read(folder, name))
        } catch {
          contents.problems.append(setAside(folder, name, error))
        }
      }
    }
    contents.entries.sort { $0.number < $1.number }
    return (Journal(folder, list, onStep), contents)
  }

  /// A moment that tests may want to end the process at.
  func reached(_ step: JournalStep) { onStep(step) }

  /// Writes an entry in the place of the one before.
  func write(_ entry: JournalEntry) throws(FileError) {
    let bytes: [UInt8]
    do throws(MessageError) {
      bytes = try entry.encoded()
    } catch {
      throw FileError(folder.file(Self.name(entry.id)), "cannot be written: \(error)", code: EINVAL)
    }
    try PrivateFile.replace(folder.file(Self.name(entry.id)), in: folder.path, with: bytes)
  }

  /// Reads an entry that is there. One that is damaged is set aside.
  func read(_ id: String) throws(JournalDamage) -> JournalEntry {
    do throws(JournalDamage) {
      return try Self.read(folder, Self.name(id))
    } catch {
      throw JournalDamage(description: Self.setAside(folder, Self.name(id), error))
    }
  }

  /// Remembers that a command is done, then removes its entry. `holdsResult` says what the entry is: one with a result stays when the list cannot be
  /// written, because it protects against a repetition too; any other goes, because it would cause one.
  func close(_ id: String, _ record: DoneRecord, holdsResult: Bool) throws(FileError) {
    do throws(FileError) {
      try done.append(id, record)
    } catch {
      if !holdsResult { try remove(id) }
      throw error
    }
    reached(.recorded)
    // Not synchronized: an entry that comes back after a power cut is only reported once more.
    try remove(id)
    reached(.removed)
  }

  private func remove(_ id: String) throws(FileError) {
    let path = folder.file(Self.name(id))
    guard unlink(path) == 0 || errno == ENOENT else { throw FileError(path, "cannot be removed") }
  }

  private static func name(_ id: String) -> String { PercentEncoding.encode(id) + suffix }

  private static func read(_ folder: JournalFolder, _ name: String) throws(JournalDamage) -> JournalEntry {
    let bytes: [UInt8]
    do throws(FileError) {
      guard let found = try PrivateFile.read(folder.file(name), most: JournalEntry.limit) else {
        throw FileError(folder.file(name), "is gone", code: ENOENT)
      }
      bytes = found
    } catch {
      throw JournalDamage(description: "\(error)")
    }
    let entry = try JournalEntry(bytes)
    guard Self.name(entry.id) == name else { throw JournalDamage(description: "it holds the command \(printable(entry.id))") }
    return entry
  }

  private static func setAside(_ folder: JournalFolder, _ name: String, _ damage: JournalDamage) -> String {
    let path = folder.file(name)
    let isMoved = rename(path, "\(path).damaged") == 0
    let id = PercentEncoding.decode(name.dropLast(suffix.count)) ?? name
    return "The journal's file \(printable(path)) cannot be used: \(damage). "
      + (isMoved ? "It was renamed to end in .damaged" : "It could not be renamed ([Errno \(errno)] \(String(cString: strerror(errno))))")
      + "; look whether the command \(printable(id)) did its work, send it anew if not, and remove the file"
  }
}
