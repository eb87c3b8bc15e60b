extension CommandSpec {
  /// `spotctl watch`.
  static let watch: [CommandSpec] = [
    CommandSpec(
      path: ["watch"], summary: "Show the fleet as it is, again and again: agents, heartbeats, commands, rollouts and the newest events.",
      options: [
        target, Option(name: "--interval", value: "TIME", help: "Time between two readings, such as 1s (default) or 1m."),
        Option(name: "--once", help: "Print it once, as plain text, and end."),
      ],
      examples: ["spotctl watch", "spotctl watch --target 'client=test and tag:role=worker' --interval 5s", "spotctl watch --once"],
      work: .onDatabase { invocation, workplace in try await workplace.watch.run(invocation) })
  ]
}
