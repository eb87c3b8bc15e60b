extension CommandSpec {
  /// Every command, in the order of the help.
  static let all: [CommandSpec] =
    clients
    + agents
    + commands
    + installation

  // What many commands share.
  static let json = Option(name: "--json", help: "Print a JSON array of objects with the database's column names.")
  static let client = Option(name: "--client", value: "CLIENT", help: "Look among this client's agents only (its id or its name).")
  static let agent = Argument(name: "AGENT", help: "The agent's id, or its logical id where only one agent has it.")
}
