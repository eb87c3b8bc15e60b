import FleetProtocol
import ServiceRuntime

/// One message of each kind with every field filled.
enum Samples {
  static let time = Timestamp(milliseconds: 1_769_837_207_123)

  static let registration = RegistrationRequest(
    logicalAgentID: "web-01", hostname: "ip-10-0-0-1", instanceID: "i-0abc", instanceType: "c5.large", region: "us-east-1",
    az: "us-east-1a", amiID: "ami-1", agentVersion: "5.0.0", mode: .spot, privateIP: "10.0.0.1", publicIP: "192.0.2.1",
    tags: ["role": "worker", "team": "ml"],
    sessionID: "7f0c2f5e-8d0b-4f55-9a55-0f4b7f3f6a10", generation: 3, sentAt: time)
  static let registered = RegistrationReply(
    agentID: "5b0d1f7c-1111-4222-8333-944455556666", clientID: "c1", logicalAgentID: "web-01", queue: "agent.c1.web-01.4", generation: 4,
    heartbeatIntervalSeconds: 30, config: AgentConfiguration(), configVersion: 3, serverTime: time)
  static let probe = RegistrationProbe(logicalAgentID: "web-01", sentAt: time)
  static let probed = RegistrationProbeReply(
    clientID: "c1", logicalAgentID: "web-01", outcome: .renewed, agentID: "5b0d1f7c-1111-4222-8333-944455556666", status: .online,
    instanceID: "i-0abc", queue: "agent.c1.web-01.4", generation: 4, lastHeartbeatAt: time, serverTime: time)
  static let heartbeat = Heartbeat(
    agentID: "5b0d1f7c-1111-4222-8333-944455556666", status: .online, monitoredInstances: ["i-0abc", "i-0def"], instanceID: "i-0abc",
    instanceType: "c5.large", mode: .spot, az: "us-east-1a", generation: 4, configVersion: 3, sentAt: time)
  static let command = Command(
    id: "c0ffee00-1111-4222-8333-944455556666", agentID: "5b0d1f7c-1111-4222-8333-944455556666", commandType: "switch",
    parameters: ["target_mode": "ondemand", "target_pool_id": nil, "terminate_wait_seconds": 300, "url": "http://x/y"], priority: 75,
    createdAt: time, expiresAt: time.advanced(by: .seconds(60)), timeoutSeconds: 60, streamsOutput: true)
  static let result = CommandResult(
    commandID: "c0ffee00-1111-4222-8333-944455556666", agentID: "5b0d1f7c-1111-4222-8333-944455556666", status: .failed,
    output: ["lines": ["a", "b\nc"], "ratio": 0.5], exitCode: 1, standardOutput: "a\n", standardError: "b\n", standardOutputBytes: 2,
    standardErrorBytes: 2, error: "exit status 1", startedAt: time, finishedAt: time, sentAt: time)
  static let cancellation = CommandCancellation(
    commandID: "c0ffee00-1111-4222-8333-944455556666", agentID: "5b0d1f7c-1111-4222-8333-944455556666", requestedAt: time)
  static let progress = CommandProgress(
    commandID: "c0ffee00-1111-4222-8333-944455556666", agentID: "5b0d1f7c-1111-4222-8333-944455556666", stage: .refused,
    reason: "signature does not match", at: time, sentAt: time)
  static let output = CommandOutput(
    commandID: "c0ffee00-1111-4222-8333-944455556666", agentID: "5b0d1f7c-1111-4222-8333-944455556666", sequence: 7,
    stream: .standardError, text: "line\n", skippedBytes: 5, sentAt: time)
  static let spotNotice = SpotNotice(
    agentID: "5b0d1f7c-1111-4222-8333-944455556666", kind: .interruption, action: "terminate", time: time, instanceID: "i-0abc",
    sentAt: time)
  static let notice = ErrorNotice(.validationFailed, details: ["sent_at": ["is missing"]], messageID: "m-1")
  static let credentialRequest = CredentialRequest(logicalAgentID: "web-01")

  static func credentialReply() throws -> CredentialReply {
    CredentialReply(
      address: try AgentAddress(clientID: "c1", logicalAgentID: "web-01"), brokers: ["amqp://broker:5672", "amqps://broker:5671"],
      vhost: "spot-optimizer", credential: "eyJ.secret.part", expiresAt: time, heartbeatIntervalSeconds: 30, credentialTTLSeconds: 86_400,
      serverTime: time)
  }
}
