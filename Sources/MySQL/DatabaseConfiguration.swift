/// Whether a connection is encrypted.
public enum TLSMode: Sendable, Equatable {
  /// Plain text: for loopback and private networks.
  case disabled
  /// Encrypted, the server's certificate and name verified against the authorities in this PEM file; anything less is refused.
  case required(caFile: String)
}

/// Where the database is and how long to wait for it.
///
/// The client library counts in whole seconds, so fractions are rounded up, to at least one second. `description` never shows the password.
public struct DatabaseConfiguration: Sendable, Equatable, CustomStringConvertible {
  /// Name or address of the server; always reached over TCP, `localhost` too.
  public var host: String
  /// TCP port.
  public var port: UInt16
  /// Login name.
  public var user: String
  /// Login password. Never shown.
  public var password: String
  /// The database (schema) to use.
  public var database: String
  /// Longest time for the TCP connection and for each step of the login.
  public var connectTimeout: Duration
  /// Longest silence of the server during a statement; the connection is lost after it. Oracle's client multiplies it by three.
  public var readTimeout: Duration
  /// Longest time the server may refuse to take bytes.
  public var writeTimeout: Duration
  /// How long a statement waits for a row lock (`innodb_lock_wait_timeout`) and for a table's definition (`lock_wait_timeout`). Keep it
  /// below `readTimeout`, or the connection is lost before the server answers.
  public var lockWaitTimeout: Duration
  /// Encryption.
  public var tls: TLSMode

  /// A configuration with defaults fit for a server on the same network.
  public init(
    host: String, port: UInt16 = 3306, user: String, password: String, database: String, connectTimeout: Duration = .seconds(10),
    readTimeout: Duration = .seconds(30), writeTimeout: Duration = .seconds(30), lockWaitTimeout: Duration = .seconds(5),
    tls: TLSMode = .disabled
  ) {
    self.host = host
    self.port = port
    self.user = user
    self.password = password
    self.database = database
    self.connectTimeout = connectTimeout
    self.readTimeout = readTimeout
    self.writeTimeout = writeTimeout
    self.lockWaitTimeout = lockWaitTimeout
    self.tls = tls
  }

  /// `user@host:port/database`, for logs.
  public var description: String { "\(user)@\(host):\(port)/\(database)" }
}

extension Duration {
  /// Whole seconds, rounded up, at least 1 and at most a year: what the library's and the server's time-outs take.
  var wholeSeconds: UInt32 {
    let (seconds, attoseconds) = components
    return UInt32(max(1, min(31_536_000, attoseconds > 0 && seconds < 31_536_000 ? seconds + 1 : seconds)))
  }
}
