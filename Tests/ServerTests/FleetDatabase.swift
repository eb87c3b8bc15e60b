import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport

@testable import Server

/// A fresh, migrated database with its stores, for one test.
struct FleetDatabase: Sendable {
  let login: LocalServices.DatabaseLogin
  let pool: Pool

  var clients: ClientStore { ClientStore(pool) }
  var agents: AgentStore { AgentStore(pool, heartbeatTimeout: .seconds(120)) }
  var commands: CommandStore { CommandStore(pool) }
  var events: SystemEventStore { SystemEventStore(pool) }

  /// Runs a test on a database of its own, of the shared pair unless another is given.
  static func with<Result>(
    _ services: LocalServices? = nil, isolation: isolated (any Actor)? = #isolation, _ body: (FleetDatabase) async throws -> Result
  ) async throws -> Result {
    try await places.take { try await inPlace(services, body) }
  }

  /// A database, and mostly a server on it, for so many tests at once.
  private static let places = Places(6)

  private static func inPlace<Result>(
    _ services: LocalServices?, isolation: isolated (any Actor)? = #isolation, _ body: (FleetDatabase) async throws -> Result
  ) async throws -> Result {
    let services = if let services { services } else { try await LocalServices.shared() }
    let login = try await services.createDatabase()
    let pool = Pool(configuration: configuration(login), size: 6)
    do {
      _ = try await Migrator(pool).migrate(Schema.migrations)
      let result = try await body(FleetDatabase(login: login, pool: pool))
      await pool.close()
      return result
    } catch {
      await pool.close()
      throw error
    }
  }

  static func configuration(_ login: LocalServices.DatabaseLogin) -> DatabaseConfiguration {
    DatabaseConfiguration(
      host: login.host, port: UInt16(login.port), user: login.user, password: login.password, database: login.name,
      connectTimeout: .seconds(2), readTimeout: .seconds(10))
  }

  /// Runs a statement and returns its rows.
  @discardableResult
  func sql(_ statement: String) async throws -> [Row] {
    try await pool.withConnection { try await $0.queryText(SQLText(sql: statement)) }
  }

  /// A query for one number called `n`.
  func number(_ statement: String) async throws -> Int { try await sql(statement).first?.int("n") ?? 0 }

  /// The database's clock.
  func now() async throws -> Timestamp {
    guard let row = try await sql("SELECT NOW(3) AS now").first else { return .now() }
    return try row.timestamp("now")
  }

  /// Registers an agent and returns its row.
  @discardableResult
  func register(_ name: String, client: String = "c1", session: String = "s1", sentAt: Timestamp? = nil, generation: Int? = nil)
    async throws -> Agent
  {
    let now = try await now()
    let request = Self.request(name, session: session, sentAt: sentAt ?? now, generation: generation)
    let address = try AgentAddress(clientID: client, logicalAgentID: name)
    _ = try await agents.register(request, from: address)
    guard let agent = try await agents.find(address) else { throw NotRegistered(name: name) }
    return agent
  }

  static func request(_ name: String, session: String, sentAt: Timestamp, generation: Int? = nil) -> RegistrationRequest {
    RegistrationRequest(
      logicalAgentID: name, hostname: "host-\(name)", instanceID: "i-\(name)", instanceType: "c5.large", region: "us-east-1",
      az: "us-east-1a",
      mode: .spot, sessionID: session, generation: generation, sentAt: sentAt)
  }
}

/// A registration that a test relies on was refused.
struct NotRegistered: Error {
  let name: String
}

extension CommandStore {
  /// One command of the parts that a test cares for.
  func insert(
    agentID: String, commandType: String, parameters: JSONValue = .object([:]), priority: Int = CommandPriority.normal,
    expiresAt: Timestamp? = nil
  ) async throws -> String {
    var draft = CommandDraft(agentID: agentID, clientID: nil, commandType: commandType)
    draft.parameters = parameters
    draft.priority = priority
    draft.deliverWithin = expiresAt.map { $0.since(.now()) }
    return try await insert(draft)
  }
}
