import FleetProtocol
import Foundation
import TestSupport
import Testing

/// What the programs say to an environment they cannot work with: the variable, its value and the remedy, exit code 2, and no secret.
@Suite struct BadEnvironmentTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let variable: String
    /// `nil` takes the variable away.
    let value: String?
    let expected: [String]

    init(_ variable: String, _ value: String?, _ expected: String...) {
      self.variable = variable
      self.value = value
      self.expected = expected
    }

    var testDescription: String { "\(variable)=\(value ?? "(absent)")" }
  }

  private static let secret = "s3cr3t-that-nobody-may-see"

  // Nothing of it is reached: the environment is judged first.
  private static let server = [
    "AMQP_URL": "amqp://server:\(secret)@127.0.0.1:1/spot-optimizer", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASSWORD": secret,
    "SPOT_OPTIMIZER_KEYS_DIR": "/nonexistent/keys", "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0",
  ]

  @Test(arguments: [
    Case("AMQP_URL", nil, "is not set", "amqp://user:password@host:5672/"),
    Case("AMQP_URL", "", "is not set", "amqp://user:password@host:5672/"),
    Case("AMQP_URL", "http://server:\(secret)@127.0.0.1:1/", "http", "amqp"),
    Case("AMQP_URL", "amqp://127.0.0.1:1/", "has no user and password", "amqp://user:password@host:5672/vhost"),
    Case("AMQP_URL", "amqp://server:\(secret)@127.0.0.1:99999/", "99999", "65535"),
    Case("AMQP_CA_FILE", "/nonexistent/ca.pem", "'/nonexistent/ca.pem'", "[Errno 2]", "PEM file"),
    Case("DB_PORT", "mysql", "'mysql'", "not a whole number", "65535"),
    Case("DB_PORT", "0", "is 0", "out of range", "65535"),
    Case("DB_POOL_SIZE", "1", "is 1", "out of range", "200"),
    Case("DB_SSL_CA", "/nonexistent/ca.pem", "'/nonexistent/ca.pem'", "[Errno 2]", "PEM file"),
    Case("HTTP_PORT", "70000", "is 70000", "out of range", "65535"),
    Case("HTTP_PORT", "5,000", "'5,000'", "not a whole number"),
    Case("AGENT_HEARTBEAT_TIMEOUT", "two minutes", "'two minutes'", "not a whole number", "86400"),
    Case("AGENT_HEARTBEAT_TIMEOUT", "-5", "is -5", "out of range", "86400"),
    Case("HEARTBEAT_INTERVAL", "99999999999999999999", "'99999999999999999999'", "3600"),
    Case("BROKER_CREDENTIAL_TTL", "59", "is 59", "out of range", "604800"),
    Case("SPOT_OPTIMIZER_RETENTION_DAYS", "6", "is 6", "out of range", "from 7 to 3650", "default 30"),
    Case("SPOT_OPTIMIZER_RETENTION_DAYS", "for ever", "'for ever'", "not a whole number", "3650"),
    Case("LOG_LEVEL", "LOUD", "'LOUD'", "DEBUG"),
    Case("LOG_FORMAT", "xml", "'xml'", "text, json"),
    Case("SPOT_OPTIMIZER_LOG_FILE", "/nonexistent/backend.log", "'/nonexistent/backend.log'", "[Errno 2]", "standard error"),
    Case("SPOT_OPTIMIZER_SERVER_ROLE", "master", "'master'", "all, worker, http"),
    Case("AGENT_BROKER_URLS", "amqp://agent:\(secret)@b:5672", "login", "amqp://host:port"),
    Case("AGENT_BROKER_URLS", "mqtt://b:1883", "mqtt", "amqp"),
    Case("AGENT_BROKER_URLS", "agent:\(secret)@b:5672", "without a scheme", "amqp://host:port"),
    Case("SPOT_OPTIMIZER_KEYS_DIR", "/nonexistent/keys", "/nonexistent/keys", "[Errno 2]", "spotctl keys create"),
  ])
  func theServerNamesVariableValueAndRemedy(_ bad: Case) async throws {
    try await expectRefusal("spot-optimizer-server", Self.server, bad)
  }

  private static let agent = [
    "SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:1", "SPOT_OPTIMIZER_CLIENT_TOKEN": secret,
    "SPOT_OPTIMIZER_STATE_DIR": NSTemporaryDirectory() + "spot-optimizer-bad-environment",
  ]

  @Test(arguments: [
    Case("SPOT_OPTIMIZER_SERVER_URL", nil, "is not set", "http://your-server:5000"),
    Case("SPOT_OPTIMIZER_SERVER_URL", "", "is not set", "http://your-server:5000"),
    Case("SPOT_OPTIMIZER_SERVER_URL", "ftp://server", "'ftp'", "http://your-server:5000"),
    Case("SPOT_OPTIMIZER_SERVER_URL", "server:5000", "'server:5000'", "http://your-server:5000"),
    Case("SPOT_OPTIMIZER_SERVER_URL", "http://admin:\(secret)@server", "login", "client token"),
    Case("SPOT_OPTIMIZER_SERVER_URL", "http://server:0", "'0'", "65535"),
    Case("SPOT_OPTIMIZER_CLIENT_TOKEN", nil, "is not set", "spotctl clients create"),
    Case("SPOT_OPTIMIZER_CLIENT_TOKEN", "  ", "is not set", "spotctl clients create"),
    Case("SPOT_OPTIMIZER_CLIENT_TOKEN", "\(secret)\nX-Evil: 1", "line break", "spotctl clients create"),
    Case("LOGICAL_AGENT_ID", String(repeating: "a", count: 300), "LOGICAL_AGENT_ID", "agent-001"),
    Case("AWS_REGION", "us east 1", "'us east 1'", "us-east-1"),
    Case("HEARTBEAT_INTERVAL", "0", "is 0", "out of range", "3600"),
    Case("HEARTBEAT_INTERVAL", "thirty", "'thirty'", "not a whole number", "3600"),
    Case("LOG_LEVEL", "trace", "'trace'", "DEBUG"),
    Case("SPOT_OPTIMIZER_STATE_DIR", "state", "'state'", "absolute path"),
    Case("SPOT_OPTIMIZER_STATE_DIR", "/proc/state", "'/proc/state'", "[Errno 2]"),
    Case("SPOT_OPTIMIZER_CA_FILE", "/nonexistent/ca.pem", "'/nonexistent/ca.pem'", "[Errno 2]", "PEM file"),
    Case("SPOT_OPTIMIZER_COMMANDS_DIR", "/nonexistent/commands", "'/nonexistent/commands'", "does not exist", "mode 755"),
    Case("SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS", "65", "is 65", "out of range", "64"),
    Case("SPOT_OPTIMIZER_TAGS", "worker", "'worker'", "role=worker,team=ml"),
    Case("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254", "'169.254.169.254'", "http://"),
  ])
  func theAgentNamesVariableValueAndRemedy(_ bad: Case) async throws { try await expectRefusal("spot-optimizer-agent", Self.agent, bad) }

  private func expectRefusal(_ executable: String, _ good: [String: String], _ bad: Case) async throws {
    var environment = good
    environment[bad.variable] = bad.value
    try await withProgram(executable, environment: environment) { program in
      try await expectConfigurationError(program)
      for text in [bad.variable] + bad.expected { #expect(program.output.contains(text), "\(program.output)") }
      #expect(!program.output.contains(Self.secret))
    }
  }

  private func expectConfigurationError(_ program: Program) async throws {
    let status = try await program.waitForExit()
    #expect(status == .exited(2), "\(program.output)")
  }

  @Test func keysThatCannotBeUsedStopTheServerWithTheRemedy() async throws {
    let folder = NSTemporaryDirectory() + "spot-optimizer-keys-\(UUID().uuidString)"
    // Nothing depends on the folder being gone.
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var environment = Self.server
    environment["SPOT_OPTIMIZER_KEYS_DIR"] = folder
    try await withProgram("spot-optimizer-server", environment: environment) { program in
      try await expectConfigurationError(program)
      #expect(program.output.contains("\(folder) holds no signing key") && program.output.contains("spotctl keys create"))
    }
    _ = try KeyRing.createKey("k1", folder: folder)
    let key = "\(folder)/k1.private.pem"
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
    try await withProgram("spot-optimizer-server", environment: environment) { program in
      try await expectConfigurationError(program)
      #expect(program.output.contains("\(key) is open to other users (mode 644)") && program.output.contains("chmod 600 \(key)"))
    }
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    try Data("-----BEGIN PRIVATE KEY-----\nnonsense\n".utf8).write(to: URL(fileURLWithPath: key))
    try await withProgram("spot-optimizer-server", environment: environment) { program in
      try await expectConfigurationError(program)
      #expect(program.output.contains(key) && !program.output.contains("nonsense"))
    }
  }

  @Test func unknownArgumentsAreRefusedWithHelp() async throws {
    for (executable, arguments) in [
      ("spot-optimizer-server", ["--rolle", "http"]), ("spot-optimizer-server", ["--role"]), ("spot-optimizer-server", ["--role", "boss"]),
      ("spot-optimizer-agent", ["--verbose"]),
    ] {
      try await withProgram(executable, arguments, environment: Self.server.merging(Self.agent) { $1 }) { program in
        try await expectConfigurationError(program)
        #expect(program.output.contains(arguments[0]))
      }
    }
  }

  @Test func aTakenPortIsNamedWithTheRemedy() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      let port = String(server.url.split(separator: ":").last ?? "")
      let second = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment(["HTTP_PORT": port]))
      try await expectConfigurationError(second)
      #expect(second.output.contains(port) && second.output.contains("HTTP_PORT"), "\(second.output)")
      let third = try await fleet.run("spot-optimizer-server", ["--role", "worker"], fleet.serverEnvironment(["METRICS_PORT": port]))
      try await expectConfigurationError(third)
      #expect(third.output.contains(port) && third.output.contains("METRICS_PORT"), "\(third.output)")
    }
  }
}
