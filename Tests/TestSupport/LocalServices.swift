import Glibc
import ServiceRuntime

/// A private RabbitMQ and a private MariaDB, run by `broker/local` in a temporary folder.
///
/// They end with the test process, in whatever way it ends: at its exit, or by the watchdog of `broker/local` when it crashed.
public final class LocalServices: Sendable {
  /// The way to a database: what the server reads from `DB_HOST` and its siblings.
  public struct DatabaseLogin: Sendable {
    /// Always 127.0.0.1.
    public let host: String
    /// Its TCP port.
    public let port: Int
    /// May do everything in the databases that tests make, and nothing elsewhere.
    public let user: String
    /// Of this user.
    public let password: String
    /// The database's name.
    public let name: String

    /// `DB_HOST`, `DB_PORT`, `DB_USER`, `DB_PASSWORD`, `DB_NAME`.
    public var environment: [String: String] {
      ["DB_HOST": host, "DB_PORT": String(port), "DB_USER": user, "DB_PASSWORD": password, "DB_NAME": name]
    }
  }

  private let stateFolder: String
  private let settings: [String: String]

  /// The repository's root folder.
  public static let repository: String = {
    // This file lies in <root>/Tests/TestSupport.
    var path = Substring(#filePath)
    for _ in 0..<3 { path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)] }
    return String(path)
  }()

  private static var tool: String { repository + "/broker/local" }

  // MARK: - Starting

  /// The pair that every test of this process shares; started at the first call.
  ///
  /// Tests that share it keep apart by names: a database each (`createDatabase`), a client id each. Whoever stops a server
  /// takes a `separate` pair.
  ///
  /// - Throws: `CommandFailure` with the end of the servers' logs.
  public static func shared() async throws -> LocalServices { try await SharedServices.instance.get() }

  /// A pair of one's own, for tests that stop or change its servers. Takes some ten seconds; end it with `stop`.
  public static func separate() async throws -> LocalServices { try await onOwnThread { try start() } }

  /// Starts a pair. Blocks.
  static func start() throws -> LocalServices {
    let parent = Environment.process.string("TMPDIR", default: "/tmp")
    var template = Array("\(parent)/spot-optimizer-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw CommandFailure(description: "no temporary folder in \(parent): \(String(cString: strerror(errno)))")
    }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    RunningServices.add(folder)
    do {
      try runCommand([tool, "start", folder, "--watch", String(getpid()), "--purge"])
      return LocalServices(stateFolder: folder, settings: try readEnvironment(of: folder))
    } catch {
      RunningServices.stop(folder)
      throw error
    }
  }

  private init(stateFolder: String, settings: [String: String]) {
    self.stateFolder = stateFolder
    self.settings = settings
  }

  /// The variables that `broker/local env` exports, as a shell understands them.
  private static func readEnvironment(of folder: String) throws(CommandFailure) -> [String: String] {
    let script = "eval \"$(\"$0\" env \"$1\")\" && exec env -0"
    let output = try runCommand(
      ["bash", "-c", script, tool, folder], environment: ["PATH": currentEnvironment()["PATH"] ?? "/usr/bin:/bin"])
    var values: [String: String] = [:]
    for entry in output.split(separator: "\0") {
      guard let equals = entry.firstIndex(of: "=") else { continue }
      values[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
    }
    return values
  }

  /// Stops both servers and removes their folder. Idempotent.
  public func stop() async throws {
    let folder = stateFolder
    try await onOwnThread { RunningServices.stop(folder) }
  }

  // MARK: - Addresses

  private func setting(_ name: String) -> String {
    guard let value = settings[name] else { preconditionFailure("`broker/local env` does not print \(name)") }
    return value
  }

  private func number(_ name: String) -> Int {
    guard let value = Int(setting(name)) else { preconditionFailure("`broker/local env` prints '\(setting(name))' for \(name)") }
    return value
  }

  /// The server's login as one URL: `amqp://user:password@127.0.0.1:port/spot-optimizer`.
  public var amqpURL: String { setting("AMQP_URL") }
  /// The broker's address, always 127.0.0.1.
  public var host: String { setting("AMQP_HOST") }
  /// The broker's AMQP port.
  public var port: Int { number("AMQP_PORT") }
  /// `spot-optimizer`.
  public var virtualHost: String { setting("AMQP_VHOST") }
  /// The server's login name at the broker.
  public var user: String { setting("AMQP_USER") }
  /// Its password.
  public var password: String { setting("AMQP_PASSWORD") }
  /// The folder with `<key id>.private.pem` and `<key id>.public.pem`; the broker trusts the public ones it found at its start.
  public var keysDirectory: String { setting("SPOT_OPTIMIZER_KEYS_DIR") }
  /// The database of the pair itself, empty at first. Tests that write take one of their own: `createDatabase`.
  public var database: DatabaseLogin { login(database: setting("DB_NAME")) }
  /// The folder with the servers' data and logs.
  public var state: String { stateFolder }

  /// What the server's environment needs to use this broker: `AMQP_URL` and `SPOT_OPTIMIZER_KEYS_DIR`.
  public var brokerEnvironment: [String: String] { ["AMQP_URL": amqpURL, "SPOT_OPTIMIZER_KEYS_DIR": keysDirectory] }

  private func login(database name: String) -> DatabaseLogin {
    DatabaseLogin(host: setting("DB_HOST"), port: number("DB_PORT"), user: setting("DB_USER"), password: setting("DB_PASSWORD"), name: name)
  }

  // MARK: - What tests do to them

  /// A database that did not exist before, empty.
  public func createDatabase() async throws -> DatabaseLogin {
    let name = "spot_optimizer_test_\(String(UInt64.random(in: 0..<(1 << 48)), radix: 36))"
    try await sql("CREATE DATABASE \(name) CHARACTER SET utf8mb4")
    return login(database: name)
  }

  /// Executes a statement with MariaDB's own client, apart from the code under test; returns tab separated rows without a heading.
  @discardableResult
  public func sql(_ statement: String, database: String? = nil) async throws -> String {
    let options = ["mariadb", "--defaults-file=\(stateFolder)/mariadb/client.cnf", "--batch", "--skip-column-names"]
    let arguments = options + ["-e", statement] + (database.map { [$0] } ?? [])
    return try await onOwnThread { try runCommand(arguments) }
  }

  /// Runs `rabbitmqctl` on the broker and returns what it prints, without its headings. One to two seconds.
  @discardableResult
  public func rabbitmqctl(_ arguments: String...) async throws -> String {
    try await local(["--state", stateFolder, "ctl", "--silent"] + arguments)
  }

  /// Stops the broker; its port and its data stay. Connections see it close.
  public func stopBroker() async throws { try await change("stop-broker") }
  /// Starts it again, and waits until it takes logins.
  public func startBroker() async throws { try await change("start-broker") }
  /// Stops and starts it.
  public func restartBroker() async throws { try await change("restart-broker") }
  /// Stops the database; its port and its data stay.
  public func stopDatabase() async throws { try await change("stop-database") }
  /// Starts it again, and waits until it takes logins.
  public func startDatabase() async throws { try await change("start-database") }
  /// Makes the running broker trust the public keys that were added to `keysDirectory`.
  public func reloadKeys() async throws { try await change("reload-keys") }

  private func change(_ command: String) async throws { _ = try await local([command, stateFolder]) }

  private func local(_ arguments: [String]) async throws -> String {
    try await onOwnThread { try runCommand([Self.tool] + arguments) }
  }
}

/// Starts the shared pair once; who comes meanwhile waits, and a failure is everybody's.
///
/// On a thread of its own because the start blocks for seconds.
private actor SharedServices {
  static let instance = SharedServices()
  private let executor = ThreadExecutor(name: "local-services")
  private var outcome: Result<LocalServices, any Error>?

  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  func get() throws -> LocalServices {
    let outcome = outcome ?? Result { try LocalServices.start() }
    self.outcome = outcome
    return try outcome.get()
  }
}

/// The state folders of this process whose servers run; what is left at its exit is stopped then.
private enum RunningServices {
  private static let folders: Lock<Set<String>> = {
    // Not waiting for the watchdog: when the tests have ended, nothing of theirs runs any more.
    atexit { RunningServices.stopAll() }
    return Lock([])
  }()

  static func add(_ folder: String) { folders.withLock { _ = $0.insert(folder) } }

  static func stop(_ folder: String) {
    guard folders.withLock({ $0.remove(folder) }) != nil else { return }
    do throws(CommandFailure) {
      try runCommand([LocalServices.repository + "/broker/local", "stop", folder, "--purge"])
    } catch {
      writeFully("\(error)\n", to: STDERR_FILENO)
    }
  }

  private static func stopAll() {
    for folder in folders.withLock({ $0 }) { stop(folder) }
  }
}
