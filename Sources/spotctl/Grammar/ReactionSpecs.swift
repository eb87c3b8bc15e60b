import Server

extension CommandSpec {
  private static let reactionName = Argument(name: "NAME", help: "The reaction's name.")

  /// `spotctl reactions …`.
  static let reactions: [CommandSpec] = [
    CommandSpec(
      path: ["reactions", "add"], summary: "Let agents run a command whenever something happens to an agent (docs/reactions.md).",
      arguments: [
        Argument(name: "NAME", help: "What to call it: A-Z a-z 0-9 - _ ."),
        Argument(name: "JSON", help: "The command's parameters: a JSON object, placeholders allowed in its texts.", isOptional: true),
      ],
      options: [
        Option(
          name: "--on", value: "EVENT", help: "When: \(EventType.allCases.filter(\.isOfAgent).map(\.rawValue).joined(separator: ", "))."),
        Option(
          name: "--where", value: "EXPR", help: "Only for agents that fulfil this target expression (docs/targets.md); no placeholders."),
        Option(name: "--run", value: "COMMAND", help: "What to run: ping, describe, or an executable of the agents' commands folders."),
        Option(
          name: "--on-agents", value: "EXPR",
          help:
            "Who runs it: self, the agent that it happened to, or a target expression over the agents of its client, placeholders allowed."),
        Option(name: "--priority", value: "N", help: "0 to 255, a higher number first (default \(Reaction.defaultPriority))."),
        Option(name: "--within", value: "SPAN", help: "Within which time it is to be started: 90s, 10m, 1h (default 1h)."),
        Option(name: "--timeout", value: "SPAN", help: "How long it may run (default 60s)."),
        Option(name: "--limit", value: "N", help: "Commands a minute at most, 1 to 10000 (default \(Reaction.defaultLimit))."),
        Option(name: "--client", value: "CLIENT", help: "Only for this client's agents (its id or its name)."), json,
      ],
      examples: [
        "spotctl reactions add fail-over '{\"from\": \"{agent.logical_agent_id}\", \"until\": \"{notice.time}\"}' --on agent.interruption "
          + "--run switch --on-agents tag:replica-of={agent.logical_agent_id} --within 90s",
        "spotctl reactions add drain --on agent.rebalance --where tag:role=worker --run drain --on-agents self",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.reactions.add(invocation) }),
    CommandSpec(
      path: ["reactions", "list"], summary: "List the reactions and what they did in the last seven days.", options: [json],
      examples: ["spotctl reactions list"],
      work: .onDatabase { _, workplace in try await workplace.reactions.list() }),
    CommandSpec(
      path: ["reactions", "show"], summary: "Show everything of a reaction.", arguments: [reactionName], options: [json],
      examples: ["spotctl reactions show fail-over"],
      work: .onDatabase { invocation, workplace in try await workplace.reactions.show(invocation) }),
    CommandSpec(
      path: ["reactions", "enable"], summary: "Switch a reaction on again.", arguments: [reactionName], options: [json],
      examples: ["spotctl reactions enable fail-over"],
      work: .onDatabase { invocation, workplace in try await workplace.reactions.setEnabled(true, invocation) }),
    CommandSpec(
      path: ["reactions", "disable"], summary: "Switch a reaction off, at once.", arguments: [reactionName], options: [json],
      examples: ["spotctl reactions disable fail-over"],
      work: .onDatabase { invocation, workplace in try await workplace.reactions.setEnabled(false, invocation) }),
    CommandSpec(
      path: ["reactions", "remove"], summary: "Remove a reaction; commands that it wrote stay.", arguments: [reactionName],
      examples: ["spotctl reactions remove fail-over"],
      work: .onDatabase { invocation, workplace in try await workplace.reactions.remove(invocation) }),
    CommandSpec(
      path: ["reactions", "test"], summary: "Show whom a reaction would hit with what, and change nothing.", arguments: [reactionName],
      options: [
        Option(name: "--event", value: "ID", help: "On this event (default: the newest one that it is for); see: spotctl events."), json,
      ],
      examples: ["spotctl reactions test fail-over", "spotctl reactions test fail-over --event 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.reactions.test(invocation) }),
  ]
}
