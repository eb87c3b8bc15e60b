import FleetProtocol
import ServiceRuntime

/// What the environment says. Two variables suffice.
public struct AgentSettings: Sendable {
  /// Where the server is (`SPOT_OPTIMIZER_SERVER_URL`).
  let serverURL: ServerURL
  /// The client's token (`SPOT_OPTIMIZER_CLIENT_TOKEN`).
  let clientToken: ClientToken
  /// The agent's own name (`LOGICAL_AGENT_ID`); the instance's id or the host name when it is absent.
  let logicalAgentID: String?
  /// The region (`AWS_REGION`); the instance metadata's when it is absent.
  let region: String?
  /// Time between heartbeats (`HEARTBEAT_INTERVAL`); the server's word when it is absent.
  let heartbeatInterval: Duration?
  /// The folder of what outlives the process; `nil` when there is none to be had.
  let stateFolder: StateFolder?
  /// PEM file of the authorities to trust, for HTTPS and AMQPS (`SPOT_OPTIMIZER_CA_FILE`).
  let authorityFile: String?
  /// The instance metadata service; `nil` when it is switched off.
  let metadataEndpoint: ServerURL?
  /// The folder of the executables that commands may run (`SPOT_OPTIMIZER_COMMANDS_DIR`); it need not exist when nobody named it.
  let commandsFolder: CommandsFolder
  /// How many of them run at once (`SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS`).
  let maximumConcurrentCommands: Int
  /// The agent's own tags (`SPOT_OPTIMIZER_TAGS`).
  let tags: [String: String]
  /// The home folder of the agent's user (`HOME`), which commands are told too.
  let home: String?
  /// How much is logged (`LOG_LEVEL`).
  public let logLevel: LogLevel
  /// How a line of the log is written (`LOG_FORMAT`).
  public let logFormat: LogFormat
  /// The file that the log goes to besides standard error (`SPOT_OPTIMIZER_LOG_FILE`).
  public let logFile: String?
  /// What the operator should be told of these settings, once there is a log.
  let remarks: [Remark]

  /// Something to be said at the start.
  struct Remark: Sendable, Equatable {
    let level: LogLevel
    let text: String
  }

  /// Reads and checks the environment, and makes the state folder.
  public init(_ environment: Environment) throws(ConfigurationError) { try self.init(environment, makesFolders: true) }

  /// Reads and checks the environment. Without `makesFolders` nothing on disk is changed.
  init(_ environment: Environment, makesFolders: Bool) throws(ConfigurationError) {
    logLevel = try environment.choice("LOG_LEVEL", default: LogLevel.info)
    logFormat = try environment.choice("LOG_FORMAT", default: LogFormat.text)
    logFile = environment["SPOT_OPTIMIZER_LOG_FILE"]
    let url = "SPOT_OPTIMIZER_SERVER_URL"
    serverURL = try ServerURL(
      environment.required(url, remedy: "set it to the server's address, such as http://your-server:5000"), name: url)
    let token = "SPOT_OPTIMIZER_CLIENT_TOKEN"
    clientToken = try ClientToken(
      environment.required(token, remedy: "set it to the client's token, as `spotctl clients create` prints it"), name: token)
    logicalAgentID = environment["LOGICAL_AGENT_ID"]
    if let logicalAgentID { try Self.checkLogicalID(logicalAgentID) }
    region = environment["AWS_REGION"]
    if let region, !InstanceMetadata.isWord(region) {
      throw ConfigurationError(
        name: "AWS_REGION", problem: "is '\(printable(String(region.prefix(80))))', which is no region's name",
        remedy: "set it to a region such as us-east-1, or unset it")
    }
    heartbeatInterval =
      environment["HEARTBEAT_INTERVAL"] == nil ? nil : try environment.seconds("HEARTBEAT_INTERVAL", default: 30, in: 1...3600)
    authorityFile = try environment.readableFile(
      "SPOT_OPTIMIZER_CA_FILE", content: "the PEM file of the authorities that signed the server's and the broker's certificates")
    let disabled = environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() == "true"
    let endpoint = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    metadataEndpoint = disabled ? nil : try ServerURL(environment.string(endpoint, default: "http://169.254.169.254"), name: endpoint)

    maximumConcurrentCommands = try environment.integer("SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS", default: 4, in: 1...64)
    let tagsName = "SPOT_OPTIMIZER_TAGS"
    tags = try environment[tagsName].map { text throws(ConfigurationError) in try TagList.parse(text, name: tagsName) } ?? [:]
    home = environment["HOME"]

    var remarks: [Remark] = []
    commandsFolder = CommandsFolder(path: environment.string("SPOT_OPTIMIZER_COMMANDS_DIR", default: "/etc/spot-optimizer/commands"))
    if let remark = try Self.checked(commandsFolder, isNamed: environment["SPOT_OPTIMIZER_COMMANDS_DIR"] != nil) { remarks.append(remark) }
    if environment["PENDING_COMMANDS_CHECK_INTERVAL"] != nil {
      remarks.append(
        Remark(level: .debug, text: "PENDING_COMMANDS_CHECK_INTERVAL is no longer used: commands arrive when they are written"))
    }
    if environment["SPOT_OPTIMIZER_STATE_DIR"] != nil {
      stateFolder = try StateFolder(environment, makes: makesFolders)
    } else {
      do throws(ConfigurationError) {
        stateFolder = try StateFolder(environment, makes: makesFolders)
      } catch {
        // Nobody asked for this folder: an agent that may write nowhere still works, it only forgets its credential and its commands when it ends.
        stateFolder = nil
        remarks.append(
          Remark(
            level: .warning,
            text:
              "Neither the broker credential nor commands are kept on disk, and a command may run twice when the agent is killed: \(error)")
        )
      }
    }
    self.remarks = remarks
  }

  /// A folder that was named has to be usable. The default one need not be there; when it is there and unsafe, that is said.
  private static func checked(_ folder: CommandsFolder, isNamed: Bool) throws(ConfigurationError) -> Remark? {
    do throws(ExecutableProblem) {
      try folder.check()
      return nil
    } catch {
      guard isNamed else {
        return folder.exists
          ? Remark(level: .warning, text: "Only the built-in commands can run: \(error.problem); \(error.remedy)") : nil
      }
      throw ConfigurationError(name: "SPOT_OPTIMIZER_COMMANDS_DIR", problem: "cannot be used: \(error.problem)", remedy: error.remedy)
    }
  }

  /// The rules of the wire hold for the variable too, so that the error names it.
  private static func checkLogicalID(_ id: String) throws(ConfigurationError) {
    do throws(MessageError) {
      try CredentialRequest(logicalAgentID: id).validate()
    } catch {
      throw ConfigurationError(
        name: "LOGICAL_AGENT_ID", problem: error.problem, remedy: "set it to a name such as agent-001, or unset it to use the instance's id"
      )
    }
  }
}
