extension CommandSpec {
  /// Every command, in the order of the help.
  static let all: [CommandSpec] =
    clients
    + agents
    + commands
    + configuration
    + rollouts
    + events
    + reactions
    + watch
    + doctor
    + capacity
    + installation
    + manual

  /// `AGENT`, or `--target` in its place.
  static let agentOrTarget = Argument(
    name: "AGENT", help: "The agent's id, or its logical id where only one agent has it.", insteadOf: target)
  static let target = Option(
    name: "--target", value: "EXPR",
    help: "The agents that an expression hits, such as 'tag:role=worker and not mode=ondemand' (docs/targets.md).")
  static let dryRun = Option(name: "--dry-run", help: "Show whom it hits, and change nothing.")

  // What many commands share.
  static let json = Option(name: "--json", help: "Print a JSON array of objects with the database's column names.")
  static let client = Option(name: "--client", value: "CLIENT", help: "Look among this client's agents only (its id or its name).")
  static let agent = Argument(name: "AGENT", help: "The agent's id, or its logical id where only one agent has it.")
}
