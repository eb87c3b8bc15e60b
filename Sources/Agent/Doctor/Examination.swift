import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

/// One run of the doctor: the report so far, and what the checks that come later need of those before them.
///
/// The checks are in the files beside this one, a link of the chain each.
struct Examination {
  let doctor: AgentDoctor
  var report: DiagnosisReport
  /// What the variables say, with the defaults where one of them is bad.
  var settings: AgentSettings?
  /// Variables that cannot be used: nothing is done with what stands in their place.
  var badVariables: Set<String> = []
  /// What the instance metadata service says, and how long it took; nothing off EC2.
  var metadata = InstanceMetadata()
  var metadataTook = Duration.zero
  /// The name that the agent has or would have.
  var logicalAgentID = hostName()
  /// The server's clock, once it was read.
  let clock = FleetClock()
  /// What `/health` told of it.
  var healthDate: ClockReading?
  /// Why the server cannot be asked for a credential; `nil` when it can.
  var serverTrouble: String?
  /// A credential and whose it is; `nil` when none is to be had, for the reason beside it.
  var credential: (reply: CredentialReply, address: AgentAddress)?
  var credentialTrouble = "there is no credential"
  /// The broker, by that credential; `nil` when it is not to be had, for the reason beside it.
  var broker: (connection: Connection, endpoint: Endpoint)?
  var brokerTrouble = "the broker cannot be reached"
  /// What the server says of the agent; `nil` when it said nothing, for the reason beside it.
  var probed: RegistrationProbeReply?
  var registrationTrouble = "the server did not say how the agent stands"
  /// Whether an agent of this name runs here.
  var process = RunningAgent.unknown("it was not looked for")
  /// Consumers of the agent's queue; `nil` when that is not known.
  var readers: Int?
  let loop = EventLoop(name: "doctor")

  init(_ doctor: AgentDoctor, tell: @escaping @Sendable (Finding) -> Void) {
    self.doctor = doctor
    report = DiagnosisReport(tell: tell)
  }

  /// Closes what is open.
  func end() async {
    await broker?.connection.close()
    loop.stop()
  }

  /// The whole chain, in the order in which an agent walks it.
  mutating func lookAtEverything() async throws {
    await lookAtVariables()
    try await lookAtServer()
    try await lookAtCredential()
    try await lookAtBroker()
    lookAtProcess()
    try await lookAtMembership()
    lookAtCommandsFolder()
    await lookAtMetadata()
    try Task.checkCancellation()
  }

  /// Why something cannot be looked at that needs these variables; `nil` when all of them are good.
  func trouble(_ names: String...) -> String? {
    names.first { badVariables.contains($0) }.map { "\($0) cannot be used" }
  }

  /// The agent's times with the doctor's limits, for the parts of the agent that it borrows.
  var timings: AgentTimings {
    var timings = AgentTimings()
    timings.replyTimeout = doctor.limits.answer
    timings.connectTimeout = doctor.limits.connect
    return timings
  }
}
