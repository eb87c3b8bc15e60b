extension CommandSpec {
  /// `spotctl configure`.
  static let configuration: [CommandSpec] = [
    CommandSpec(
      path: ["configure"], summary: "Change agents' configuration; who is online has it within a second, others when they connect.",
      arguments: [
        agentOrTarget,
        Argument(
          name: "CHANGE", help: "key=value sets a value; key- goes back to the default (docs/configuration-push.md).", isRepeated: true),
      ],
      options: [target, client, dryRun, json],
      examples: [
        "spotctl configure web-1 terminate_wait_seconds=600",
        "spotctl configure --target 'client=test and mode=spot' risk_threshold=0.2 --dry-run",
        "spotctl configure --target all auto_switch_enabled- replica_count-",
      ],
      work: .onDatabase { invocation, workplace in try await workplace.configuration.change(invocation) })
  ]
}
