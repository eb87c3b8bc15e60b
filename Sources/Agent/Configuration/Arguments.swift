/// What the command line asks for. The agent has no options beside these: it is configured by its environment.
public enum Arguments: Equatable, Sendable {
  /// No argument: run.
  case run
  /// `--help` or `-h`.
  case help
  /// `--version`.
  case version
  /// Anything else, with what to say.
  case unknown(String)

  /// Reads the arguments after the program's name.
  public init(_ arguments: [String]) {
    switch arguments.first {
    case nil: self = .run
    case "--help", "-h": self = .help
    case "--version": self = .version
    case .some(let argument): self = .unknown(argument)
    }
  }

  /// What `--help` prints.
  public static let usage = """
    Usage: spot-optimizer-agent [--help | --version]

    Registers this instance with the Spot Optimizer server, sends its heartbeats and runs the commands it is sent.
    Everything is configured by environment variables:

      SPOT_OPTIMIZER_SERVER_URL          the server, http://your-server:5000 (required)
      SPOT_OPTIMIZER_CLIENT_TOKEN        the client's token (required)
      LOGICAL_AGENT_ID                   the agent's own name, kept over replacements of the instance (default: the
                                         instance's id, off EC2 the host name)
      AWS_REGION                         the region (default: what the instance metadata says)
      HEARTBEAT_INTERVAL                 seconds between heartbeats, 1 to 3600 (default: what the server says, usually 30)
      LOG_LEVEL                          DEBUG, INFO, WARNING or ERROR (default: INFO)
      LOG_FORMAT                         text or json (default: text)
      SPOT_OPTIMIZER_LOG_FILE            file that the log goes to besides standard error (default: none)
      SPOT_OPTIMIZER_STATE_DIR           folder for the broker credential and the journal of commands (default:
                                         /var/lib/spot-optimizer for root, else
                                         $XDG_STATE_HOME/spot-optimizer or ~/.local/state/spot-optimizer)
      SPOT_OPTIMIZER_CA_FILE             PEM file of the certificate authorities to trust (default: the system's)
      SPOT_OPTIMIZER_COMMANDS_DIR        folder of the executables that commands may run (default: /etc/spot-optimizer/commands,
                                         which need not be there)
      SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS
                                         how many of them run at once, 1 to 64 (default: 4)
      SPOT_OPTIMIZER_TAGS                tags to choose this agent by, role=worker,team=ml (default: none)
      AWS_EC2_METADATA_SERVICE_ENDPOINT  the instance metadata service (default: http://169.254.169.254)
      AWS_EC2_METADATA_DISABLED          true: do not ask it
      PENDING_COMMANDS_CHECK_INTERVAL    accepted and no longer used: commands arrive when they are written

    SIGTERM and SIGINT stop it within five seconds; a second one ends it at once. SIGHUP reopens the log file, if there is one.

    Exit codes: 0 stopped as asked, 1 could not start (server, broker or worker does not answer), 2 bad configuration or
    arguments, 3 the server refused the client token, 130 or 143 ended at once by a second signal.

    Example:
      SPOT_OPTIMIZER_SERVER_URL=http://your-server:5000 SPOT_OPTIMIZER_CLIENT_TOKEN=your-client-token-here spot-optimizer-agent
    """
}
