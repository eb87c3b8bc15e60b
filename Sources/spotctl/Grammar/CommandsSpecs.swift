import FleetProtocol

extension CommandSpec {
  /// `spotctl commands …`.
  static let commands: [CommandSpec] = [
    CommandSpec(
      path: ["commands", "send"], summary: "Write a command for an agent and wake the dispatchers.",
      arguments: [
        agent,
        Argument(name: "NAME", help: "What to run: ping, describe, or a file in the agent's commands folder."),
        Argument(name: "JSON", help: "The command's parameters: a JSON object.", isOptional: true),
      ],
      options: [
        Option(
          name: "--deliver-within", value: "TIME", help: "It must be started by then, else it expires: 90s, 10m, 1h (default), 2d."),
        Option(name: "--timeout", value: "TIME", help: "How long it may run (default 60s); then the agent kills it."),
        Option(
          name: PriorityWord.option, value: "N",
          help: "A word or 0 to 255, a higher number first: critical 100, override 75, urgent 50, normal 25 (default), scheduled 10.",
          choices: PriorityWord.allCases.map(\.rawValue)),
        Option(name: "--wait", help: "Wait until the command has ended, and print its result."),
        Option(
          name: "--wait-for", value: "TIME",
          help: "How long to wait (default: --timeout and 30s); exit code 4 after it, and the command goes on.",
          requires: "--wait"),
        Option(
          name: "--follow",
          help: "Print the command's output as it comes, and end with its exit code. Ctrl-C leaves it running."),
        client, json,
      ],
      examples: [
        "spotctl commands send web-1 ping --wait", "spotctl commands send web-1 disk-usage '{\"path\": \"/\"}' --follow --timeout 5m",
        "spotctl commands send web-1 describe --wait --wait-for 5s --json",
        "spotctl commands send web-1 switch --priority critical --deliver-within 90s",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.commands.send(invocation) }),
    CommandSpec(
      path: ["commands", "list"], summary: "List commands, newest first.",
      options: [
        Option(
          name: "--agent", value: "AGENT", help: "This agent's commands only (its id, or its logical id where only one agent has it)."),
        Option(
          name: "--status", value: "STATUS",
          help: "Commands that stand so only: \(CommandStatus.allCases.map(\.rawValue).joined(separator: ", ")).",
          choices: CommandStatus.allCases.map(\.rawValue)),
        Option(name: "--rollout", value: "ID", help: "This rollout's commands only."),
        Option(name: "--since", value: "TIME", help: "Commands of this last while only: 90s, 10m, 1h, 2d."),
        Option(name: "--limit", value: "N", help: "This many at most (default 100)."),
        Option(name: "--client", value: "CLIENT", help: "Commands of this client's agents only (its id or its name)."), json,
      ],
      examples: ["spotctl commands list --agent web-1", "spotctl commands list --client test --status failed --since 1h"],
      work: .onDatabase { invocation, workplace in try await workplace.commands.list(invocation) }),
    CommandSpec(
      path: ["commands", "show"], summary: "Show a command, when it came how far, and its output.", arguments: [commandID], options: [json],
      examples: ["spotctl commands show 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.commands.show(invocation) }),
    CommandSpec(
      path: ["commands", "output"],
      summary: "Print what a command wrote, to standard output and standard error; exit code 4 when it has not ended.",
      arguments: [commandID],
      examples: ["spotctl commands output 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52 | less"],
      work: .onDatabase { invocation, workplace in try await workplace.commands.output(invocation) }),
    CommandSpec(
      path: ["commands", "cancel"], summary: "Call commands off, wherever they are.",
      arguments: [Argument(name: "ID", help: "The commands' ids.", isRepeated: true)], options: [json],
      examples: ["spotctl commands cancel 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.commands.cancel(invocation) }),
  ]

  private static let commandID = Argument(name: "ID", help: "The command's id, as `commands send` printed it.")
}
