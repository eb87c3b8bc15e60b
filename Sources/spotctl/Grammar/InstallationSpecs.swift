import Glibc
import ServiceRuntime

extension CommandSpec {
  /// What brings an installation up.
  static let installation: [CommandSpec] = [
    CommandSpec(
      path: ["migrate"], summary: "Bring the database's tables up to this version.", options: [json],
      examples: ["spotctl migrate"],
      work: .onDatabase { _, workplace in try await workplace.migrate() }),
    CommandSpec(
      path: ["migrate", "import"], summary: "Take clients, agents and pending commands over from the former system's database.",
      options: [
        Option(
          name: "--from-database", value: "NAME",
          help: "The former system's database, on this server (default: SPOT_OPTIMIZER_IMPORT_DB_NAME; docs/MIGRATION.md)."),
        Option(name: "--client", value: "CLIENT", help: "This client's rows only (its id or its name there)."),
        Option(name: "--agent", value: "LOGICAL_ID", help: "The agents of this logical id only."),
        Option(name: "--dry-run", help: "Show what would be imported, and change nothing."), json,
      ],
      examples: [
        "spotctl migrate import --from-database spot_optimizer_v4 --dry-run", "spotctl migrate import --from-database spot_optimizer_v4",
        "spotctl migrate import --from-database spot_optimizer_v4 --client 'My Company' --agent web-1 --json",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.imports.run(invocation) }),
    CommandSpec(
      path: ["keys", "create"], summary: "Make a pair of keys that signs the agents' credentials.",
      options: [
        Option(name: "--dir", value: "DIR", help: "The keys' folder (default: SPOT_OPTIMIZER_KEYS_DIR, else /etc/spot-optimizer/keys)."),
        Option(name: "--id", value: "KID", help: "The key's id, of A-Z a-z 0-9 - _ (default: key- and the time)."), json,
      ],
      examples: ["spotctl keys create", "spotctl keys create --dir ./keys --id key-2"],
      work: .alone { invocation, environment, terminal in
        try KeyCommands(environment: environment, terminal: terminal).create(invocation)
      }),
    CommandSpec(
      path: ["version"], summary: "Print the version.", examples: ["spotctl version"],
      work: .alone { _, _, _ in writeFully("spotctl \(programVersion)\n", to: STDOUT_FILENO) }),
  ]
}
