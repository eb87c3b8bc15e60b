import FleetProtocol
import ServiceRuntime

/// A file of the journal that cannot be read, and why.
struct JournalDamage: Error, Equatable, CustomStringConvertible {
  let description: String
}

/// What the journal holds of one command, and how that is written: a line with the state, the times and a checksum, then the command or its result as
/// they are on the wire.
struct JournalEntry: Sendable, Equatable {
  /// How far the command has come.
  enum State: Sendable, Equatable {
    /// It waits for its turn.
    case accepted(Command)
    /// Its program was about to be started, at this time, and has not ended as far as the journal knows.
    case started(Command, at: Timestamp)
    /// It has ended and the broker has not confirmed its result.
    case ended(CommandResult)
  }

  /// Bytes of an entry at most: a result, and the line before it.
  static let limit = MessageLimits.resultBodyBytes + 1024

  /// Counts what was accepted: among commands of one priority the lowest goes first.
  let number: Int64
  /// How often its program was started before: repeatable ones may be started again.
  var starts: Int
  /// How far it has come.
  var state: State

  init(number: Int64, starts: Int = 0, _ state: State) {
    self.number = number
    self.starts = starts
    self.state = state
  }

  /// The command's id.
  var id: String {
    switch state {
    case .accepted(let command), .started(let command, _): command.id
    case .ended(let result): result.commandID
    }
  }

  /// The file's bytes. Throws for a command or result that cannot be a message.
  func encoded() throws(MessageError) -> [UInt8] {
    let (word, time, body): (String, Int64, [UInt8]) =
      switch state {
      case .accepted(let command): ("accepted", 0, try WireCoding.encode(command))
      case .started(let command, let time): ("started", time.milliseconds, try WireCoding.encode(command))
      case .ended(let result): ("ended", 0, try WireCoding.encode(result))
      }
    let head = "spot-optimizer-command 1 \(word) \(number) \(starts) \(time)"
    return Array("\(head) \(Self.checksum(head, body[...]))\n".utf8) + body
  }

  /// Reads a file's bytes.
  init(_ bytes: [UInt8]) throws(JournalDamage) {
    guard let end = bytes.firstIndex(of: 0x0a) else { throw JournalDamage(description: "it is cut off") }
    let words = String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 7, words[0] == "spot-optimizer-command" else {
      throw JournalDamage(description: "it does not begin as an entry does")
    }
    guard words[1] == "1" else { throw JournalDamage(description: "it was written by another version of the agent") }
    let body = bytes[(end + 1)...]
    guard Self.checksum(words.dropLast().joined(separator: " "), body) == words[6] else {
      throw JournalDamage(description: "its checksum does not match")
    }
    guard let number = Int64(words[3]), let starts = Int(words[4]), let time = Int64(words[5]) else {
      throw JournalDamage(description: "its first line has no numbers where they belong")
    }
    self.number = number
    self.starts = starts
    do throws(MessageError) {
      switch words[2] {
      case "accepted": state = .accepted(try WireCoding.decode(Command.self, from: Array(body)))
      case "started":
        state = .started(try WireCoding.decode(Command.self, from: Array(body)), at: Timestamp(milliseconds: time))
      case "ended": state = .ended(try WireCoding.decode(CommandResult.self, from: Array(body)))
      default: throw MessageError(field: "state", problem: "is unknown")
      }
    } catch {
      throw JournalDamage(description: "\(error)")
    }
  }

  private static func checksum(_ head: String, _ body: ArraySlice<UInt8>) -> String {
    var checksum = Checksum()
    checksum.add(head.utf8)
    checksum.add(body)
    return checksum.hexadecimal
  }
}
