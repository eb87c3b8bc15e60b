import FleetProtocol

extension CommandSpec {
  private static let json = Option(name: "--json", help: "Print a JSON array of objects with the database's column names.")
  private static let client = Option(name: "--client", value: "CLIENT", help: "Look among this client's agents only (its id or its name).")
  private static let agent = Argument(name: "AGENT", help: "The agent's id, or its logical id where only one agent has it.")

  /// Every command, in the order of the help.
  static let all: [CommandSpec] = [
    CommandSpec(
      action: .clientsCreate, path: ["clients", "create"], summary: "Make a client with a new token, which is shown this once.",
      arguments: [Argument(name: "NAME", help: "What people call the client.")],
      options: [
        Option(name: "--id", value: "ID", help: "The client's id; a random UUID unless given. It is part of names at the broker."),
        Option(name: "--email", value: "ADDRESS", help: "Whom to write to."), json,
      ],
      examples: ["spotctl clients create 'My Company' --email admin@company.com", "spotctl clients create Test --id test --json"]),
    CommandSpec(
      action: .clientsList, path: ["clients", "list"], summary: "List the clients, with a preview of their tokens.", options: [json],
      examples: ["spotctl clients list"]),
    CommandSpec(
      action: .clientsEnable, path: ["clients", "enable"], summary: "Let a client's agents in again.",
      arguments: [Argument(name: "CLIENT", help: "The client's id or its name.")], options: [json],
      examples: ["spotctl clients enable test"]),
    CommandSpec(
      action: .clientsDisable, path: ["clients", "disable"], summary: "Refuse a client's agents, within five seconds.",
      arguments: [Argument(name: "CLIENT", help: "The client's id or its name.")], options: [json],
      examples: ["spotctl clients disable 'My Company'"]),
    CommandSpec(
      action: .agentsList, path: ["agents", "list"], summary: "List the agents and how they are.",
      options: [
        Option(name: "--client", value: "CLIENT", help: "This client's agents only (its id or its name)."),
        Option(
          name: "--status", value: "STATUS",
          help: "Agents with this status only: \(AgentStatus.allCases.map(\.rawValue).joined(separator: ", "))."),
        json,
      ],
      examples: ["spotctl agents list --status offline", "spotctl agents list --client test --json | jq -r '.[].id'"]),
    CommandSpec(
      action: .agentsShow, path: ["agents", "show"], summary: "Show everything that is known of an agent.", arguments: [agent],
      options: [client, json], examples: ["spotctl agents show web-1", "spotctl agents show web-1 --client test"]),
    CommandSpec(
      action: .commandsSend, path: ["commands", "send"], summary: "Write a command for an agent and wake the dispatchers.",
      arguments: [
        agent, Argument(name: "NAME", help: "What to run: ping or describe."),
        Argument(name: "JSON", help: "The command's parameters: a JSON object.", isOptional: true),
      ],
      options: [
        Option(name: "--wait", help: "Wait until the command has ended, and print its result."),
        Option(name: "--timeout", value: "SECONDS", help: "How long to wait (default 60); exit code 4 after it.", requires: "--wait"),
        Option(
          name: "--priority", value: "N",
          help: "0 to 255, a higher number first: 100 critical, 75 override, 50 urgent, 25 normal (default), 10 scheduled."),
        client, json,
      ],
      examples: [
        "spotctl commands send web-1 ping --wait", "spotctl commands send web-1 ping '{}' --priority 75",
        "spotctl commands send web-1 describe --wait --timeout 5 --json",
      ]),
    CommandSpec(
      action: .commandsShow, path: ["commands", "show"], summary: "Show a command and what became of it.",
      arguments: [Argument(name: "ID", help: "The command's id, as `commands send` printed it.")], options: [json],
      examples: ["spotctl commands show 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"]),
    CommandSpec(
      action: .migrate, path: ["migrate"], summary: "Bring the database's tables up to this version.", options: [json],
      examples: ["spotctl migrate"]),
    CommandSpec(
      action: .keysCreate, path: ["keys", "create"], summary: "Make a pair of keys that signs the agents' credentials.",
      options: [
        Option(name: "--dir", value: "DIR", help: "The keys' folder (default: SPOT_OPTIMIZER_KEYS_DIR, else /etc/spot-optimizer/keys)."),
        Option(name: "--id", value: "KID", help: "The key's id, of A-Z a-z 0-9 - _ (default: key- and the time)."), json,
      ],
      examples: ["spotctl keys create", "spotctl keys create --dir ./keys --id key-2"]),
    CommandSpec(action: .version, path: ["version"], summary: "Print the version.", examples: ["spotctl version"]),
  ]
}
