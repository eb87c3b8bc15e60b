import ServiceRuntime

extension ProgramManual {
  /// The server's: `--help`, manual page and completions. A new variable or option is a row here.
  public static let server: ProgramManual = {
    var manual = ProgramManual(
      name: "spot-optimizer-server", section: 8, summary: "the central server of Spot Optimizer",
      synopses: ["[--role all|worker|http]", "COMMAND", "--help | --version"])
    manual.description = [
      "Consumes what agents publish, keeps the fleet in MySQL, dispatches commands, and answers health and credentials over HTTP."
    ]
    manual.subcommands = ownSubcommands
    manual.options =
      [
        Option(
          "--role", value: "ROLE",
          "What runs in this process (default: $SPOT_OPTIMIZER_SERVER_ROLE, else all); any number of processes of each role may run.",
          choices: ServerRole.allCases.map(\.rawValue))
      ] + ownOptions
    manual.variables = [
      Entry("AMQP_URL", "the broker, with the server's login, amqp://user:password@host:port/vhost (required)"),
      Entry("AMQP_CA_FILE", "PEM file of the authorities to trust for amqps (default: the system's)"),
      Entry(
        "AGENT_BROKER_URLS", "where agents find the broker, amqp[s]://host:port, separated by commas (default: host and port of AMQP_URL)"),
      Entry("DB_HOST, DB_PORT", "the database (default: localhost, 3306)"),
      Entry("DB_USER, DB_PASSWORD", "its login (default: spotuser, no password)"),
      Entry("DB_NAME", "the database's name (default: spot_optimizer)"),
      Entry("DB_POOL_SIZE", "connections to it, 2 to 200 (default: 10)"),
      Entry("DB_SSL_CA", "PEM file of the authority of its certificate (default: no TLS)"),
      Entry("SPOT_OPTIMIZER_KEYS_DIR", "the keys that sign credentials (default: /etc/spot-optimizer/keys)"),
      Entry("SPOT_OPTIMIZER_SERVER_ROLE", "all, worker or http (default: all)"),
      Entry("HTTP_HOST, HTTP_PORT", "where the HTTP front listens (default: 0.0.0.0, 5000)"),
      Entry("METRICS_HOST, METRICS_PORT", "a port for /metrics alone, in every role (default: HTTP_HOST; not set: on the front's port)"),
      Entry("BROKER_CREDENTIAL_TTL", "seconds that an agent's credential is valid, 60 to 604800 (default: 86400)"),
      Entry("AGENT_HEARTBEAT_TIMEOUT", "seconds of silence after which an agent is offline, 1 to 86400 (default: 120)"),
      Entry("HEARTBEAT_INTERVAL", "seconds between heartbeats that agents are told, 1 to 3600 (default: 30)"),
      Entry(
        "SPOT_OPTIMIZER_RETENTION_DAYS",
        "days that ended commands and rollouts, system events and spot notices are kept, 7 to 3650 (default: 30)"),
      Entry("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR (default: INFO)"),
      Entry("LOG_FORMAT", "text or json (default: text)"),
      Entry("SPOT_OPTIMIZER_LOG_FILE", "file that the log goes to besides standard error (default: none)"),
    ]
    manual.signals =
      "SIGTERM and SIGINT stop it when what is under way is finished; a second one ends it at once. SIGHUP reopens the log file, if there is one."
    manual.files = [
      Entry("/etc/spot-optimizer/server.env", "the variables that spot-optimizer-server.service gives it"),
      Entry("/etc/spot-optimizer/keys/", "the keys that sign what agents log in at the broker with; see spotctl keys create"),
    ]
    manual.exitCodes = [
      Entry("0", "stopped by SIGTERM or SIGINT"), Entry("1", "failed"), Entry("2", "wrong arguments or configuration"),
      Entry("130, 143", "ended at once by a second signal"),
    ]
    manual.examples = ["spot-optimizer-server", "spot-optimizer-server --role worker"]
    manual.seeAlso = ["spotctl(1)", "spot-optimizer-agent(8)"]
    return manual
  }()
}
