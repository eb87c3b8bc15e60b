extension CommandSpec {
  /// `spotctl clients …`.
  static let clients: [CommandSpec] = [
    CommandSpec(
      path: ["clients", "create"], summary: "Make a client with a new token, which is shown this once.",
      arguments: [Argument(name: "NAME", help: "What people call the client.")],
      options: [
        Option(name: "--id", value: "ID", help: "The client's id; a random UUID unless given. It is part of names at the broker."),
        Option(name: "--email", value: "ADDRESS", help: "Whom to write to."), json,
      ],
      examples: ["spotctl clients create 'My Company' --email admin@company.com", "spotctl clients create Test --id test --json"],
      work: .onDatabase { invocation, workplace in try await workplace.clients.create(invocation) }),
    CommandSpec(
      path: ["clients", "list"], summary: "List the clients, with a preview of their tokens.", options: [json],
      examples: ["spotctl clients list"],
      work: .onDatabase { _, workplace in try await workplace.clients.list() }),
    CommandSpec(
      path: ["clients", "enable"], summary: "Let a client's agents in again.",
      arguments: [Argument(name: "CLIENT", help: "The client's id or its name.")], options: [json],
      examples: ["spotctl clients enable test"],
      work: .onDatabase { invocation, workplace in try await workplace.clients.setActive(true, invocation) }),
    CommandSpec(
      path: ["clients", "disable"], summary: "Refuse a client's agents, within five seconds.",
      arguments: [Argument(name: "CLIENT", help: "The client's id or its name.")], options: [json],
      examples: ["spotctl clients disable 'My Company'"],
      work: .onDatabase { invocation, workplace in try await workplace.clients.setActive(false, invocation) }),
  ]
}
