extension CommandSpec {
  /// `spotctl commands …`.
  static let commands: [CommandSpec] = [
    CommandSpec(
      path: ["commands", "send"], summary: "Write a command for an agent and wake the dispatchers.",
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
      ],
      work: .onDatabase { invocation, workplace in try await workplace.commands.send(invocation) }),
    CommandSpec(
      path: ["commands", "show"], summary: "Show a command and what became of it.",
      arguments: [Argument(name: "ID", help: "The command's id, as `commands send` printed it.")], options: [json],
      examples: ["spotctl commands show 0b6c1c0e-6d0c-4c1f-9f3e-3f1f7f7c9a52"],
      work: .onDatabase { invocation, workplace in try await workplace.commands.show(invocation) }),
  ]
}
