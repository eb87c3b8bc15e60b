import MySQL
import Server
import ServiceRuntime

/// What commands on the database work with.
struct Workplace: Sendable {
  let pool: Pool
  let environment: Environment
  let terminal: Terminal

  var clients: ClientCommands { ClientCommands(store: ClientStore(pool), terminal: terminal) }
  var agents: AgentCommands { AgentCommands(store: AgentStore(pool), clients: clients, terminal: terminal) }
  var tags: TagCommands { TagCommands(store: AgentStore(pool), agents: agents, terminal: terminal) }
  var configuration: ConfigureCommands {
    ConfigureCommands(store: AgentStore(pool), agents: agents, wakeUp: wakeUp, terminal: terminal)
  }
  var wakeUp: WakeUp { WakeUp(environment: environment) }
  var commands: CommandCommands {
    CommandCommands(store: CommandStore(pool), rollouts: RolloutStore(pool), agents: agents, wakeUp: wakeUp, terminal: terminal)
  }
  var rollouts: RolloutCommands {
    RolloutCommands(store: RolloutStore(pool), agents: AgentStore(pool), wakeUp: wakeUp, terminal: terminal, environment: environment)
  }
  var events: EventCommands { EventCommands(store: FleetEventStore(pool), clients: clients, environment: environment, terminal: terminal) }
  var reactions: ReactionCommands {
    ReactionCommands(store: ReactionStore(pool), events: FleetEventStore(pool), clients: clients, terminal: terminal)
  }
  var imports: ImportCommand { ImportCommand(pool: pool, wakeUp: wakeUp, terminal: terminal, environment: environment) }
  var watch: WatchCommand { WatchCommand(store: FleetWatchStore(pool), environment: environment, terminal: terminal) }

  /// `spotctl migrate`.
  func migrate() async throws {
    let versions = try await Migrator(pool).migrate(Schema.migrations)
    let records = Schema.migrations.filter { versions.contains($0.version) }.map { migration in
      var record = Record()
      record.add("version", .number(migration.version), listed: true)
      record.add("name", .text(migration.name), listed: true)
      return record
    }
    try terminal.show(records, empty: "Nothing to do: the tables are those of this version.")
  }
}
