extension CommandSpec {
  /// `spotctl capacity`.
  static let capacity: [CommandSpec] = [
    CommandSpec(
      path: ["capacity"],
      summary: "Calculate what fleet a machine carries and what gives out first; exit code 1 if it does not fit (docs/capacity.md).",
      options: [
        Option(name: "--agents", value: "N", help: "How many agents there are to be (required)."),
        Option(name: "--interval", value: "TIME", help: "Time between two heartbeats of an agent: 10s, 30s (default), 5m."),
        Option(name: "--cores", value: "N", help: "Processor cores of the machine (default: this machine's)."),
        Option(name: "--memory", value: "GIB", help: "Its memory in whole GiB (default: this machine's)."),
        Option(
          name: "--open-files", value: "N",
          help:
            "Files that its broker may open (default: \(CapacityReference.debianOpenFiles), Debian's; less where this machine allows less)."
        ),
        Option(name: "--broker", value: "VERSION", help: "Its RabbitMQ, such as 4.3 (default: the one of --measurements, else 3.10)."),
        Option(
          name: "--back-within", value: "TIME", help: "Time in which all agents that lost their connections are to be back (default 2m)."),
        Option(name: "--headroom", value: "PERCENT", help: "What is to stay free of each resource, 0 to 90 (default 30)."),
        Option(
          name: "--measurements", value: "FILE",
          help: "Calculate from what `script/bench --json` printed (default: from measurements of a machine of 2 cores)."),
        Option(name: "--json", help: "Print one JSON object: fits, gives_out_first, resources, largest_fleet, typical_machines and more."),
      ],
      examples: [
        "spotctl capacity --agents 10000", "spotctl capacity --agents 40000 --interval 60s --cores 16 --memory 64 --broker 4.3",
        "spotctl capacity --agents 5000 --measurements bench.json --json | jq .largest_fleet.agents",
      ],
      work: .alone { invocation, _, terminal in try CapacityCommand(terminal: terminal).run(invocation) })
  ]
}
