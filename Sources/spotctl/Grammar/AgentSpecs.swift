import FleetProtocol

extension CommandSpec {
  /// `spotctl agents …`.
  static let agents: [CommandSpec] = [
    CommandSpec(
      path: ["agents", "list"], summary: "List the agents and how they are.",
      options: [
        target,
        Option(name: "--client", value: "CLIENT", help: "This client's agents only (its id or its name)."),
        Option(
          name: "--status", value: "STATUS",
          help: "Agents with this status only: \(AgentStatus.allCases.map(\.rawValue).joined(separator: ", ")).",
          choices: AgentStatus.allCases.map(\.rawValue)),
        json,
      ],
      examples: [
        "spotctl agents list --status offline", "spotctl agents list --target 'tag:role=worker and az=us-east-1a'",
        "spotctl agents list --client test --json | jq -r '.[].id'",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.agents.list(invocation) }),
    CommandSpec(
      path: ["agents", "show"], summary: "Show everything that is known of an agent.", arguments: [agent],
      options: [client, json], examples: ["spotctl agents show web-1", "spotctl agents show web-1 --client test"],
      work: .onDatabase { invocation, workplace in try await workplace.agents.show(invocation) }),
    CommandSpec(
      path: ["agents", "tag"], summary: "Give agents tags, which go before those they say of themselves, or take them back.",
      arguments: [
        agentOrTarget,
        Argument(name: "CHANGE", help: "name=value gives a tag; name- takes the operator's value back.", isRepeated: true),
      ],
      options: [target, client, dryRun, json],
      examples: [
        "spotctl agents tag web-1 role=worker team=ml",
        "spotctl agents tag --target 'az=us-east-1a and tag:role=worker' canary=yes --dry-run",
        "spotctl agents tag --target all canary-",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.tags.change(invocation) }),
  ]
}
