extension CommandSpec {
  /// `spotctl doctor`.
  static let doctor: [CommandSpec] = [
    CommandSpec(
      path: ["doctor"], summary: "Find out what is wrong, with the whole installation or with one agent (docs/doctor.md).",
      arguments: [
        Argument(
          name: "AGENT", help: "Follow this agent's way in, by its id or its logical id, instead of looking at everything.",
          isOptional: true)
      ],
      options: [
        client,
        Option(name: "--json", help: "Print one JSON object: healthy, findings, not_checked."),
        Option(
          name: "--bundle", value: "FILE", help: "Also write what a helper needs to see into this archive (.tar.gz), without secrets."),
      ],
      examples: [
        "spotctl doctor", "spotctl doctor web-1 --client test", "spotctl doctor --bundle /tmp/spot-optimizer.tar.gz",
        "spotctl doctor --json | jq .findings",
      ],
      work: .alone { invocation, environment, terminal in
        try await DoctorCommands(environment: environment, terminal: terminal).run(invocation)
      })
  ]
}
