import ServiceRuntime

extension ProgramManual {
  /// The agent's: `--help`, manual page and completions. A new variable or command is a row here.
  public static let agent: ProgramManual = {
    var manual = ProgramManual(
      name: "spot-optimizer-agent", section: 8, summary: "the agent of Spot Optimizer, one for each instance",
      synopses: ["", "COMMAND", "--help | --version"])
    manual.description = [
      "Registers this instance with the Spot Optimizer server, sends its heartbeats and runs the commands it is sent. Everything is configured by environment variables."
    ]
    manual.subcommands =
      [
        Subcommand(
          path: ["doctor"], synopsis: "doctor [--json] [--bundle FILE]",
          summary:
            "Find out why this machine's agent does not work: looks at everything from its variables to a heartbeat in the server's table. "
            + "Safe beside a running agent, for which it sends one heartbeat and changes nothing else. Exit codes: 0 nothing failed, 1 something failed, 2 bad arguments.",
          options: [
            Option("--json", "Print one JSON object: healthy, findings, not_checked."),
            Option("--bundle", value: "FILE", "Also write what a helper needs to see into this archive (.tar.gz), without secrets."),
          ],
          examples: [
            "spot-optimizer-agent doctor", "spot-optimizer-agent doctor --bundle /tmp/agent.tar.gz",
            "sudo sh -c 'set -a; . /etc/spot-optimizer/agent.env; exec runuser -u spot-optimizer-agent -- spot-optimizer-agent doctor'",
          ])
      ] + ownSubcommands
    manual.options = ownOptions
    manual.variables = [
      Entry("SPOT_OPTIMIZER_SERVER_URL", "the server, http://your-server:5000 (required)"),
      Entry("SPOT_OPTIMIZER_CLIENT_TOKEN", "the client's token (required)"),
      Entry(
        "LOGICAL_AGENT_ID",
        "the agent's own name, kept over replacements of the instance (default: the instance's id, off EC2 the host name)"),
      Entry("AWS_REGION", "the region (default: what the instance metadata says)"),
      Entry("HEARTBEAT_INTERVAL", "seconds between heartbeats, 1 to 3600 (default: what the server says, usually 30)"),
      Entry("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR (default: INFO)"),
      Entry("LOG_FORMAT", "text or json (default: text)"),
      Entry("SPOT_OPTIMIZER_LOG_FILE", "file that the log goes to besides standard error (default: none)"),
      Entry(
        "SPOT_OPTIMIZER_STATE_DIR",
        "folder for the broker credential and the journal of commands (default: /var/lib/spot-optimizer for root, else $XDG_STATE_HOME/spot-optimizer or ~/.local/state/spot-optimizer)"
      ),
      Entry("SPOT_OPTIMIZER_CA_FILE", "PEM file of the certificate authorities to trust (default: the system's)"),
      Entry(
        "SPOT_OPTIMIZER_COMMANDS_DIR",
        "folder of the executables that commands may run (default: /etc/spot-optimizer/commands, which need not be there)"),
      Entry("SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS", "how many of them run at once, 1 to 64 (default: 4)"),
      Entry("SPOT_OPTIMIZER_TAGS", "tags to choose this agent by, role=worker,team=ml (default: none)"),
      Entry("AWS_EC2_METADATA_SERVICE_ENDPOINT", "the instance metadata service (default: http://169.254.169.254)"),
      Entry("AWS_EC2_METADATA_DISABLED", "true: do not ask it"),
      Entry("PENDING_COMMANDS_CHECK_INTERVAL", "accepted and no longer used: commands arrive when they are written"),
    ]
    manual.signals =
      "SIGTERM and SIGINT stop it within five seconds; a second one ends it at once. SIGHUP reopens the log file, if there is one."
    manual.files = [
      Entry("/etc/spot-optimizer/agent.env", "the variables that spot-optimizer-agent.service gives it"),
      Entry("/etc/spot-optimizer/commands/", "the executables that commands may run"),
      Entry("/var/lib/spot-optimizer/", "its credential for the broker, and the journal of commands"),
    ]
    manual.exitCodes = [
      Entry("0", "stopped as asked"), Entry("1", "could not start (server, broker or worker does not answer)"),
      Entry("2", "bad configuration or arguments"), Entry("3", "the server refused the client token"),
      Entry("130, 143", "ended at once by a second signal"),
    ]
    manual.examples = [
      "SPOT_OPTIMIZER_SERVER_URL=http://your-server:5000 SPOT_OPTIMIZER_CLIENT_TOKEN=your-client-token-here spot-optimizer-agent"
    ]
    manual.seeAlso = ["spotctl(1)", "spot-optimizer-server(8)"]
    return manual
  }()
}
