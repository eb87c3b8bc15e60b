import FleetProtocol
import MySQL
import Server
import ServiceRuntime
import TestSupport
import Testing

/// What the tool answered.
struct ToolAnswer {
  let code: Int32
  let lines: [String]
  var text: String { lines.joined(separator: "\n") }
  /// The rows of `--json`, remarks left out.
  var rows: [JSONValue] {
    get throws {
      let json = lines.filter { !$0.hasPrefix("spotctl: ") }.joined(separator: "\n")
      guard case .array(let rows) = try WireCoding.decodeJSON(JSONValue.self, from: Array(json.utf8), limit: 16 << 20) else { return [] }
      return rows
    }
  }
}

/// The tool as an operator runs it, on a database of its own and the shared broker.
struct ToolDesk {
  let environment: [String: String]
  let pool: Pool

  func run(_ words: String..., changes: [String: String] = [:]) async throws -> ToolAnswer {
    try await run(words, changes: changes)
  }

  func run(_ words: [String], changes: [String: String] = [:]) async throws -> ToolAnswer {
    let program = try await Program("spotctl", words, environment: environment.merging(changes) { $1 })
    let status = try await program.waitForExit()
    guard case .exited(let code) = status else { return ToolAnswer(code: -1, lines: program.lines) }
    return ToolAnswer(code: code, lines: program.lines)
  }

  func register(_ name: String, client: String = "test") async throws -> String {
    let request = RegistrationRequest(
      logicalAgentID: name, instanceID: "i-1", instanceType: "c5", region: "r", az: "z", sessionID: "s-\(name)", sentAt: .now())
    let address = try AgentAddress(clientID: client, logicalAgentID: name)
    guard case .registered(let agent, _) = try await AgentStore(pool).register(request, from: address) else { return "" }
    return agent.id
  }
}

/// Runs a test with the tool on a migrated database.
func withDesk(_ body: (ToolDesk) async throws -> Void) async throws {
  try await desks.take { try await withDeskInPlace(body) }
}

/// The tool is quick, but each of its tests starts it a dozen times.
private let desks = Places(4)

private func withDeskInPlace(_ body: (ToolDesk) async throws -> Void) async throws {
  let services = try await LocalServices.shared()
  let login = try await services.createDatabase()
  let pool = Pool(
    configuration: DatabaseConfiguration(
      host: login.host, port: UInt16(login.port), user: login.user, password: login.password, database: login.name), size: 2)
  let desk = ToolDesk(environment: login.environment.merging(["AMQP_URL": services.amqpURL]) { $1 }, pool: pool)
  do {
    let migrated = try await desk.run("migrate")
    #expect(migrated.code == 0 && migrated.text.contains("create the fleet's tables"))
    try await body(desk)
    await pool.close()
  } catch {
    await pool.close()
    throw error
  }
}
