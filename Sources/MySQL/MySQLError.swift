import CMySQL
import ServiceRuntime

/// What went wrong with the database. Holds no password and no bound value.
public struct MySQLError: Error, Sendable, CustomStringConvertible {
  /// What a caller decides by.
  public enum Kind: Sendable, Equatable {
    /// No connection came about: nobody listens, the login is refused, the database does not exist, TLS is not to be had.
    case connect
    /// The server refused a statement; the connection is sound.
    case statement
    /// The connection was lost before or during a statement; an open transaction is rolled back by the server.
    case connectionLost
    /// The connection was lost during COMMIT: the transaction may or may not be stored. Never repeated here; the caller must be idempotent.
    case unknownOutcome
    /// The connection or the pool was closed by this program.
    case closed
    /// No connection of the pool became free in time.
    case poolTimeout
    /// A value that cannot be sent; nothing was.
    case invalidValue
  }

  /// What a caller decides by.
  public let kind: Kind
  /// The server's or the client library's number (2000–2999 are the library's); 0 when this module found the fault itself.
  public let code: UInt32
  /// Five characters of SQLSTATE; empty when `code` is 0.
  public let sqlState: String
  /// What is wrong. Values that the server quotes are cut out.
  public let message: String
  /// The statement, shortened, without its values; `nil` when there was none.
  public let statement: String?

  init(kind: Kind, code: UInt32 = 0, sqlState: String = "", message: String, statement: String? = nil) {
    self.kind = kind
    self.code = code
    self.sqlState = sqlState
    self.message = message
    self.statement = statement
  }

  /// An error of a running statement. Without a number it is one that MySQL 9 breaks off when it is shut down: the library knows that it failed and
  /// not why.
  init(code: UInt32, sqlState: String, message: String, statement: String) {
    self.init(
      kind: Self.endsConnection(code) ? .connectionLost : .statement, code: code, sqlState: code == 0 ? "" : sqlState,
      message: code == 0 ? "the statement was broken off, and the server does not say why" : withoutQuotedValues(message, code: code),
      statement: shortened(statement, to: 200))
  }

  /// The connection is gone; another one may work.
  public var isConnectionLost: Bool { kind == .connectionLost }
  /// A unique or primary key has this row already.
  public var isDuplicateKey: Bool { kind == .statement && [ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME].contains(Int32(code)) }
  /// A deadlock (everything rolled back), a lock wait that took too long (only the statement rolled back), or a row that somebody changed since the
  /// statement began to read (MariaDB 11.6 and newer): roll back and replay.
  public var isRetryable: Bool {
    kind == .statement && [ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD].contains(Int32(code))
  }

  /// The server forgot the statement, or it no longer fits the tables: it must be prepared again. It has not run.
  var needsReprepare: Bool {
    [ER_NEED_REPREPARE, ER_UNKNOWN_STMT_HANDLER, CR_NEW_STMT_METADATA].contains(Int32(code))
  }

  /// One line for a log or a terminal.
  public var description: String {
    var text = "MySQL"
    if code != 0 { text += " error \(code)" }
    if !sqlState.isEmpty { text += " (\(sqlState))" }
    text += ": \(printable(message))"
    if let statement { text += " [in: \(statement)]" }
    return text
  }

  /// Every number of the library itself, and none, means that both sides no longer agree on where they are in the protocol, but for a statement's
  /// changed metadata. The server's: shutdown, killed, network trouble, and MySQL 8's idle time-out.
  private static func endsConnection(_ code: UInt32) -> Bool {
    switch Int32(bitPattern: code) {
    case CR_NEW_STMT_METADATA: false
    case 0, 2000..<3000: true
    case ER_SERVER_SHUTDOWN, ER_NEW_ABORTING_CONNECTION, ER_NET_READ_ERROR, ER_NET_READ_INTERRUPTED, ER_NET_ERROR_ON_WRITE,
      ER_NET_WRITE_INTERRUPTED, ER_NET_PACKET_TOO_LARGE, ER_NET_PACKETS_OUT_OF_ORDER, connectionKilled, clientInteractionTimeout:
      true
    default: false
    }
  }

  /// `ER_CONNECTION_KILLED` of MariaDB; MySQL 8 has another meaning for no number near it.
  private static let connectionKilled: Int32 = 1927
  /// `ER_CLIENT_INTERACTION_TIMEOUT` of MySQL 8.0.24+, absent from MariaDB's header.
  private static let clientInteractionTimeout: Int32 = 4031
}

/// The server quotes the offending value in some messages (`Duplicate entry 'secret' for key 'token'`), and a piece of the statement in a
/// syntax error; both may be secrets, so everything between the first quote and the last one before the fixed rest is cut out.
func withoutQuotedValues(_ message: String, code: UInt32) -> String {
  let rests: [String]
  switch Int32(bitPattern: code) {
  case ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME: rests = ["' for key"]
  case ER_TRUNCATED_WRONG_VALUE, ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ER_WRONG_VALUE, ER_WRONG_VALUE_FOR_TYPE, ER_DATA_OUT_OF_RANGE,
    ER_ILLEGAL_VALUE_FOR_TYPE, ER_INVALID_CHARACTER_STRING:
    rests = ["' for column", "' for function", "'"]
  case ER_PARSE_ERROR: rests = ["' at line", "'"]
  default: return message
  }
  guard let open = message.firstIndex(of: "'") else { return message }
  let inside = message.index(after: open)
  for rest in rests {
    if let close = lastRange(of: rest, in: message, from: inside) { return message[..<inside] + "…" + message[close...] }
  }
  return String(message[..<inside]) + "…"
}

private func lastRange(of needle: String, in text: String, from start: String.Index) -> String.Index? {
  var index = text.endIndex
  while index >= start {
    if text[index...].hasPrefix(needle) { return index }
    guard index > start else { return nil }
    index = text.index(before: index)
  }
  return nil
}
