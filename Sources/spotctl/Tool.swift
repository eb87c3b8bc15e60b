import FleetProtocol
import Glibc
import MySQL
import Server
import ServiceRuntime

/// Runs one command line.
struct Tool {
  let environment: Environment

  /// Does what `words` (without the program's name) ask, prints it, and returns the exit code.
  func run(_ words: [String]) async -> ExitCode {
    do {
      switch try Parser().parse(words) {
      case .help(let path): writeFully(Help().text(path), to: STDOUT_FILENO)
      case .run(let invocation): try await run(invocation)
      }
      return .done
    } catch {
      let failure = Self.explain(error)
      writeFully("spotctl: \(failure)\n", to: STDERR_FILENO)
      return failure.code
    }
  }

  private func run(_ invocation: Invocation) async throws {
    let terminal = Terminal(isJSON: invocation.switches.contains("--json"))
    switch invocation.action {
    case .version: writeFully("spotctl \(programVersion)\n", to: STDOUT_FILENO)
    case .keysCreate: try KeyCommands(environment: environment, terminal: terminal).create(invocation)
    default: try await runOnDatabase(invocation, terminal)
    }
  }

  private func runOnDatabase(_ invocation: Invocation, _ terminal: Terminal) async throws {
    let settings = try DatabaseSettings(environment)
    for warning in settings.warnings { terminal.remark(warning) }
    let pool = settings.pool()
    do {
      try await run(invocation, pool, terminal)
    } catch {
      await pool.close()
      throw error
    }
    await pool.close()
  }

  private func run(_ invocation: Invocation, _ pool: Pool, _ terminal: Terminal) async throws {
    let clients = ClientCommands(store: ClientStore(pool), terminal: terminal)
    let agents = AgentCommands(store: AgentStore(pool), clients: clients, terminal: terminal)
    let commands = CommandCommands(
      store: CommandStore(pool), agents: agents, wakeUp: WakeUp(environment: environment), terminal: terminal)
    switch invocation.action {
    case .clientsCreate: try await clients.create(invocation)
    case .clientsList: try await clients.list()
    case .clientsEnable: try await clients.setActive(true, invocation)
    case .clientsDisable: try await clients.setActive(false, invocation)
    case .agentsList: try await agents.list(invocation)
    case .agentsShow: try await agents.show(invocation)
    case .commandsSend: try await commands.send(invocation)
    case .commandsShow: try await commands.show(invocation)
    case .migrate: try await migrate(pool, terminal)
    case .keysCreate, .version: preconditionFailure("handled without a database")
    }
  }

  private func migrate(_ pool: Pool, _ terminal: Terminal) async throws {
    let versions = try await Migrator(pool).migrate(Schema.migrations)
    let records = Schema.migrations.filter { versions.contains($0.version) }.map { migration in
      var record = Record()
      record.add("version", .number(migration.version), listed: true)
      record.add("name", .text(migration.name), listed: true)
      return record
    }
    try terminal.show(records, empty: "Nothing to do: the tables are those of this version.")
  }

  /// Every error as a code and a text that says what to do.
  static func explain(_ error: any Error) -> Failure {
    switch error {
    case let failure as Failure: return failure
    case let error as UsageError: return Failure(.usage, "\(error)")
    case let error as ConfigurationError: return Failure(.usage, "\(error)")
    case let error as MySQLError:
      if [.connect, .connectionLost, .unknownOutcome, .poolTimeout].contains(error.kind) {
        return Failure(.cannotReach, "\(error) (check DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME)")
      }
      // No such table, no such column.
      if [1146, 1054].contains(error.code) { return Failure(.failed, "\(error); bring the tables up to date with: spotctl migrate") }
      return Failure(.failed, "\(error)")
    default: return Failure(.failed, "\(error)")
    }
  }
}
