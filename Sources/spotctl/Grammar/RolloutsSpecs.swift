extension CommandSpec {
  /// `spotctl rollouts …`.
  static let rollouts: [CommandSpec] = [
    CommandSpec(
      path: ["rollouts", "start"], summary: "Run a command on many agents, a few at a time.",
      arguments: [
        Argument(name: "NAME", help: "What to run: ping, describe, or an executable of the agents' commands folders."),
        Argument(name: "JSON", help: "The command's parameters: a JSON object.", isOptional: true),
      ],
      options: [
        Option(name: "--target", value: "EXPR", help: "Whom: an expression such as 'tag:role=worker and az=us-east-1a', or all. Needed."),
        Option(name: "--concurrency", value: "SHARE", help: "Commands under way at most: 50, or 10% of the targets (default 10%)."),
        Option(name: "--max-errors", value: "SHARE", help: "Errors that are tolerated, one more pauses it: 3, or 5% (default 5%)."),
        Option(name: "--canary", value: "SHARE", help: "How many go first and alone: 5, or 1% (default none)."),
        Option(name: "--at", value: "TIME", help: "When to begin: 2026-01-31T05:00:00Z, or +10m from now (default at once)."),
        Option(name: "--timeout", value: "TIME", help: "How long each command may run (default 60s)."),
        Option(name: "--deliver-within", value: "TIME", help: "Within which time each command is to be started (default 5m)."),
        Option(name: "--until", value: "TIME", help: "How long agents that are away are waited for (default 7d)."),
        Option(
          name: "--priority", value: "N",
          help: "0 to 255, a higher number first: 100 critical, 75 override, 50 urgent, 25 normal (default), 10 scheduled."),
        Option(name: "--dry-run", help: "Show whom it would hit and how many at a time, and write nothing."),
        json,
      ],
      examples: [
        "spotctl rollouts start restart-worker --target 'tag:role=worker' --concurrency 10% --max-errors 5% --canary 1%",
        "spotctl rollouts start ping --target all --dry-run",
        "spotctl rollouts start disk-usage --target 'az=us-east-1a' --at +10m --timeout 2m",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.start(invocation) }),
    CommandSpec(
      path: ["rollouts", "list"], summary: "List the rollouts, newest first.",
      options: [Option(name: "--state", value: "STATE", help: "Those in this state only: running, paused, …"), json],
      examples: ["spotctl rollouts list", "spotctl rollouts list --state paused --json"],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.list(invocation) }),
    CommandSpec(
      path: ["rollouts", "status"], summary: "Show how far a rollout has come, and on whom it failed.", arguments: [rollout],
      options: [
        Option(
          name: "--follow",
          help: "Go on until it has ended or paused: a progress bar, or lines when it is no terminal. Exit code 1 if not all succeeded."),
        json,
      ],
      examples: ["spotctl rollouts status 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52 --follow"],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.status(invocation) }),
    CommandSpec(
      path: ["rollouts", "pause"], summary: "Send no more of a rollout's commands; those under way go on.", arguments: [rollout],
      options: [json],
      examples: ["spotctl rollouts pause 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.pause(invocation) }),
    CommandSpec(
      path: ["rollouts", "resume"], summary: "Go on with a paused rollout; its errors so far are forgiven.", arguments: [rollout],
      options: [json],
      examples: ["spotctl rollouts resume 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.resume(invocation) }),
    CommandSpec(
      path: ["rollouts", "cancel"], summary: "Call a rollout off: what waits, and what is under way.", arguments: [rollout],
      options: [Option(name: "--keep-running", help: "Leave what is under way to end by itself."), json],
      examples: ["spotctl rollouts cancel 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52 --keep-running"],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.cancel(invocation) }),
    CommandSpec(
      path: ["rollouts", "retry"], summary: "Run a rollout's command again on those where it ended badly.", arguments: [rollout],
      options: [json],
      examples: ["spotctl rollouts retry 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.rollouts.retry(invocation) }),
  ]

  private static let rollout = Argument(name: "ID", help: "The rollout's id, as `rollouts start` printed it.")
}
