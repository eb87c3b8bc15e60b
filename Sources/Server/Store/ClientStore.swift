import FleetProtocol
import MySQL
import ServiceRuntime

/// A client (tenant) as far as authentication needs it.
///
/// A class, because every message that is verified goes on with its account.
public final class Account: Sendable, Equatable {
  /// `clients.id`.
  public let id: String
  /// `clients.name`.
  public let name: String
  /// `clients.client_token`, a secret: shown through `tokenPreview` only.
  public let token: String
  /// `clients.is_active`.
  public let isActive: Bool

  init(id: String, name: String, token: String, isActive: Bool) {
    self.id = id
    self.name = name
    self.token = token
    self.isActive = isActive
  }

  /// Equal in all that the row says.
  public static func == (left: Account, right: Account) -> Bool {
    left === right || left.id == right.id && left.name == right.name && left.token == right.token && left.isActive == right.isActive
  }
}

/// A row of `clients`.
public struct Client: Sendable, Equatable {
  /// The part that authenticates.
  public let account: Account
  /// `clients.email`.
  public let email: String?
  /// When the row was made.
  public let createdAt: Timestamp
  /// When it was last changed.
  public let updatedAt: Timestamp
}

/// The table `clients`.
public struct ClientStore: Sendable {
  private let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// The account of a token, which must be exactly what the row has: the collation would also take one with spaces at its end.
  public func find(token: String) async throws -> Account? {
    guard !token.isEmpty, token.utf8.count <= Self.tokenBytes else { return nil }
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT id, name, client_token, is_active FROM clients WHERE client_token = ?", [.text(token)])
    }
    return try rows.map(Self.account).first { isSameSecret($0.token, token) }
  }

  /// The accounts of these ids, those that exist, read with one statement.
  public func accounts(ids: some Collection<String>) async throws -> [Account] {
    guard !ids.isEmpty else { return [] }
    let wanted = Set(ids)
    var sql = SQLText(capacity: 128 + wanted.count * 40)
    sql.append(sql: "SELECT id, name, client_token, is_active FROM clients WHERE id IN (")
    sql.append(list: wanted.map { .text($0) })
    sql.append(sql: ")")
    let statement = sql
    let rows = try await pool.withConnection { connection in try await connection.queryText(statement) }
    return try rows.map(Self.account).filter { wanted.contains($0.id) }
  }

  /// The client with this id.
  public func find(id: String) async throws -> Client? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(Self.columns) FROM clients WHERE id = ?", [.text(id)])
    }
    return try rows.map(Self.client).first { $0.account.id == id }
  }

  /// Every client, by name.
  public func list() async throws -> [Client] {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(Self.columns) FROM clients ORDER BY name, id")
    }
    return try rows.map(Self.client)
  }

  /// Makes a client with a new token; `id` must not exist yet (then `MySQLError.isDuplicateKey`).
  public func create(id: String, name: String, email: String?) async throws -> Client {
    let token = randomUUID()
    try await pool.transaction { connection in
      try await connection.execute(
        "INSERT INTO clients (id, name, email, client_token, is_active) VALUES (?, ?, ?, ?, 1)",
        [.text(id), .text(name), Value(email), .text(token)])
      try await FleetEvent.append([Self.event(.clientCreated, id: id, name: name)], on: connection)
    }
    guard let client = try await find(id: id) else {
      throw StoreError(table: "clients", id: id, problem: "the row was removed by somebody else while it was being made")
    }
    return client
  }

  /// Switches a client on or off; `false` when there is none with this id. Only a change is told to subscribers.
  public func setActive(_ isActive: Bool, id: String) async throws -> Bool {
    try await pool.transaction { connection in
      let rows = try await connection.query("SELECT id, name, is_active FROM clients WHERE id = ? FOR UPDATE", [.text(id)])
      guard let row = try rows.first(where: { try $0.string("id") == id }) else { return false }
      guard try (row.int("is_active") != 0) != isActive else { return true }
      try await connection.execute("UPDATE clients SET is_active = ? WHERE id = ?", [Value(isActive), .text(id)])
      let event = Self.event(isActive ? .clientEnabled : .clientDisabled, id: id, name: try row.string("name"))
      try await FleetEvent.append([event], on: connection)
      return true
    }
  }

  private static func event(_ type: EventType, id: String, name: String) -> FleetEvent {
    FleetEvent(type, clientID: id, subject: id, data: ["client_id": .string(id), "name": .string(name)])
  }

  static let tokenBytes = 255
  private static let columns = "id, name, email, client_token, is_active, created_at, updated_at"

  private static func account(_ row: Row) throws -> Account {
    Account(
      id: try row.string("id"), name: try row.string("name"), token: try row.string("client_token"), isActive: try row.int("is_active") != 0
    )
  }

  private static func client(_ row: Row) throws -> Client {
    Client(
      account: try account(row), email: try row.optionalString("email"), createdAt: try row.timestamp("created_at"),
      updatedAt: try row.timestamp("updated_at"))
  }
}

/// Compares two secrets in a time that depends on the length of the second one only.
func isSameSecret(_ stored: String, _ given: String) -> Bool {
  let stored = Array(stored.utf8)
  let given = Array(given.utf8)
  var difference = UInt8(stored.count == given.count ? 0 : 1)
  for (index, byte) in given.enumerated() { difference |= byte ^ (stored.isEmpty ? 1 : stored[index % stored.count]) }
  return difference == 0
}
