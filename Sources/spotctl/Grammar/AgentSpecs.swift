import FleetProtocol

extension CommandSpec {
  /// `spotctl agents …`.
  static let agents: [CommandSpec] = [
    CommandSpec(
      path: ["agents", "list"], summary: "List the agents and how they are.",
      options: [
        Option(name: "--client", value: "CLIENT", help: "This client's agents only (its id or its name)."),
        Option(
          name: "--status", value: "STATUS",
          help: "Agents with this status only: \(AgentStatus.allCases.map(\.rawValue).joined(separator: ", "))."),
        json,
      ],
      examples: ["spotctl agents list --status offline", "spotctl agents list --client test --json | jq -r '.[].id'"],
      work: .onDatabase { invocation, workplace in try await workplace.agents.list(invocation) }),
    CommandSpec(
      path: ["agents", "show"], summary: "Show everything that is known of an agent.", arguments: [agent],
      options: [client, json], examples: ["spotctl agents show web-1", "spotctl agents show web-1 --client test"],
      work: .onDatabase { invocation, workplace in try await workplace.agents.show(invocation) }),
  ]
}
