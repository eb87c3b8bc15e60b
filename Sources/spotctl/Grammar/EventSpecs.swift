extension CommandSpec {
  /// `spotctl events`.
  static let events: [CommandSpec] = [
    CommandSpec(
      path: ["events"], summary: "Show what happened in the fleet, or follow it as it happens (docs/events.md).",
      options: [
        Option(name: "--follow", help: "Print events as they happen, until Ctrl-C; reads on where it was when the broker was away."),
        Option(
          name: "--filter", value: "PATTERN",
          help: "Only these: 'agent.*', 'command.failed', 'rollout.*'; * is one word, # any number (default: all)."),
        Option(name: "--client", value: "CLIENT", help: "This client's only (its id or its name)."),
        Option(name: "--since", value: "SPAN", help: "Those of the last 90s, 10m, 1h or 2d; with --follow, before the new ones."),
        Option(name: "--limit", value: "N", help: "The newest N, 1 to 10000 (default 100)."),
        Option(name: "--json", help: "Print a JSON array of objects with the database's column names; with --follow one object a line."),
      ],
      endlessWith: "--follow",
      examples: [
        "spotctl events --since 1h --filter 'agent.*'", "spotctl events --follow --filter 'command.failed' --client test",
        "spotctl events --follow --json | jq -r .subject",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.events.run(invocation) })
  ]
}
