import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

/// What the doctor says of what it measured, without a server, broker or clock.
@Suite struct DoctorDecisionTests {
  private func url(_ text: String) throws -> ServerURL { try ServerURL(text, name: "U") }

  @Test func aServersUrlTellsItsHostAndPort() throws {
    let plain = try url("http://your-server:5000/spot")
    #expect(plain.host == "your-server" && plain.port == 5000 && !plain.usesTLS)
    let secure = try url("https://[2001:db8::1]")
    #expect(secure.host == "2001:db8::1" && secure.port == 443 && secure.usesTLS)
    #expect(try url("http://a").port == 80)
  }

  @Test func theDateOfAResponseIsRead() {
    #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT") == Timestamp(seconds: 784_111_777))
    for other in [
      "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 2026 08:49:37 GMT",
    ] {
      #expect(HTTPDate.parse(other) == nil, "\(other)")
    }
  }

  @Test func aClockWarnsFromFiveSecondsAndFailsFromACredentialsLife() {
    func verdict(_ error: Duration, uncertainty: Duration = .milliseconds(4)) -> Finding.Verdict {
      ClockFinding.finding(error: error, uncertainty: uncertainty, lifetime: .seconds(3600)).verdict
    }
    #expect(verdict(.milliseconds(40)) == .pass && verdict(.seconds(-5)) == .pass)
    #expect(verdict(.seconds(6)) == .warn && verdict(.seconds(-3599)) == .warn)
    #expect(verdict(.seconds(3600)) == .fail && verdict(.seconds(-90_000)) == .fail)
    // A slow answer says little of the clock.
    #expect(verdict(.seconds(6), uncertainty: .seconds(2)) == .pass)
    let finding = ClockFinding.finding(error: .seconds(-600), uncertainty: .milliseconds(4), lifetime: .seconds(86_400))
    #expect(finding.measured.contains("600 s behind the server's, give or take 4 ms") && finding.remedy == "timedatectl set-ntp true")
  }

  @Test func healthIsTheServersOwnWord() {
    func finding(_ status: Int, _ body: String) -> Finding {
      HealthAnswer(status: status, body: Array(body.utf8)).finding(url: "http://s/health", took: .milliseconds(3))
    }
    #expect(
      finding(200, #"{"status":"healthy","version":"5.0.0"}"#) == .pass("health", "http://s/health answers 200 in 3 ms, version 5.0.0"))
    let unhealthy = finding(503, #"{"status":"unhealthy","error":"no database","version":"5.0.0"}"#)
    #expect(unhealthy.verdict == .fail && unhealthy.measured == "http://s/health answers 503: no database")
    for other in ["<html>", "{}", "[]", ""] {
      #expect(
        finding(200, other).measured.contains("is no Spot Optimizer") && !HealthAnswer(status: 200, body: Array(other.utf8)).isSpotOptimizer
      )
    }
  }

  @Test func aProxyResolvesAndConnectsUnlessItsExceptionsNameTheServer() throws {
    let server = try url("http://server.example:5000")
    func variable(_ values: [String: String]) -> String? { ProxySetting.variable(for: server, Environment(values)) }
    #expect(variable([:]) == nil && variable(["https_proxy": "p", "HTTP_PROXY": "p"]) == nil)
    #expect(variable(["http_proxy": "p"]) == "http_proxy" && variable(["ALL_PROXY": "p"]) == "ALL_PROXY")
    for exceptions in ["*", "other, server.example", ".example", "example"] {
      #expect(variable(["http_proxy": "p", "no_proxy": exceptions]) == nil, "\(exceptions)")
    }
    #expect(variable(["http_proxy": "p", "NO_PROXY": "ample,other"]) == "http_proxy")
    #expect(ProxySetting.variable(for: try url("https://s"), Environment(["HTTPS_PROXY": "p"])) == "HTTPS_PROXY")
  }

  private func reply(status: AgentStatus?, agentID: String? = "a", queue: String? = "q", generation: Int? = 3) -> RegistrationProbeReply {
    RegistrationProbeReply(
      clientID: "c", logicalAgentID: "l", outcome: .renewed, agentID: agentID, status: status, instanceID: "i-1", queue: queue,
      generation: generation, serverTime: .now())
  }

  @Test func theDoctorNeverMakesADeadAgentLookAlive() {
    func voice(_ reply: RegistrationProbeReply, readers: Int?) -> HeartbeatVoice { HeartbeatVoice(reply, readers: readers) }
    #expect(voice(reply(status: .online), readers: 1) == .speaks(agentID: "a", generation: 3, status: .online))
    #expect(voice(reply(status: .disabled), readers: 1) == .speaks(agentID: "a", generation: 3, status: .disabled))
    // What is offline stays offline, whoever reads its queue.
    #expect(voice(reply(status: .offline), readers: 0) == .speaks(agentID: "a", generation: 3, status: .offline))
    #expect(voice(reply(status: .offline), readers: 1) == .speaks(agentID: "a", generation: 3, status: .offline))
    for silent in [
      voice(reply(status: .online), readers: 0), voice(reply(status: .online), readers: nil), voice(reply(status: .deleted), readers: 1),
      voice(reply(status: nil), readers: 1), voice(reply(status: nil, agentID: nil), readers: nil),
      voice(reply(status: .offline, queue: nil), readers: nil), voice(reply(status: .offline, generation: 0), readers: 0),
    ] {
      guard case .silent = silent else {
        Issue.record("\(silent)")
        continue
      }
    }
  }

  @Test func aQueueThatNobodyReadsIsAFailureOnlyWhileTheAgentRuns() {
    func verdict(_ readers: Int, _ process: RunningAgent) -> Finding.Verdict {
      QueueFinding.finding("q", messages: 2, readers: readers, process).verdict
    }
    for process in [RunningAgent.running(7), .notRunning, .unknown("no folder")] { #expect(verdict(1, process) == .pass) }
    #expect(verdict(0, .running(7)) == .fail && verdict(0, .notRunning) == .warn && verdict(0, .unknown("no folder")) == .warn)
    #expect(QueueFinding.missing("q", .running(nil)).verdict == .fail && QueueFinding.missing("q", .notRunning).verdict == .warn)
    #expect(QueueFinding.finding("q", messages: 1, readers: 1, .running(7)).measured == "q: 1 message ready, 1 consumer")
  }

  @Test func twoMachinesOfOneNameAreToldApartFromOneThatWasReplaced() {
    #expect(RegistrationFinding.otherInstance(reply(status: .online), here: "i-1") == nil)
    #expect(RegistrationFinding.otherInstance(reply(status: .offline), here: "i-2") == nil)
    let warning = RegistrationFinding.otherInstance(reply(status: .online), here: "i-2")
    #expect(warning?.verdict == .warn && warning?.remedy?.contains("LOGICAL_AGENT_ID") == true)
  }

  @Test func aBrokerThatDoesNotLetTheAgentInIsAWarningWhileAnotherOneDoes() throws {
    let address = try AgentAddress(clientID: "c", logicalAgentID: "l")
    func finding(_ url: String, _ error: AMQPError, isOnlyOne: Bool = true, isTrusting: Bool = false) throws -> Finding {
      let endpoint = Endpoint(broker: try BrokerURL(url, name: "brokers"), virtualHost: "v", address: address)
      return BrokerFinding.loginFailed(endpoint, error, isOnlyOne: isOnlyOne, isTrusting: isTrusting)
    }
    let tls = AMQPError(.connect(errno: nil), "TLS with b:5671 failed")
    #expect(try finding("amqps://b", tls).check == "broker TLS" && finding("amqps://b", tls, isOnlyOne: false).verdict == .warn)
    #expect(try finding("amqps://b", tls).remedy?.hasPrefix("set SPOT_OPTIMIZER_CA_FILE to the authority") == true)
    #expect(try finding("amqps://b", tls, isTrusting: true).remedy?.hasPrefix("correct SPOT_OPTIMIZER_CA_FILE, and look at it") == true)
    #expect(try finding("amqp://b", AMQPError(.transport(status: -9), "closed")).remedy?.contains("without TLS") == true)
    #expect(try finding("amqp://b", AMQPError(.loginRefused, "403")).remedy?.contains("'credential accepted'") == true)
    let url = try BrokerURL("amqp://b", name: "brokers")
    func unreachable(_ kind: AMQPError.Kind) -> String? {
      BrokerFinding.unreachable(url, AMQPError(kind, "x"), isOnlyOne: true).remedy
    }
    #expect(
      unreachable(.connect(errno: 111))?.contains("AGENT_BROKER_URLS") == true && unreachable(.timeout)?.contains("nc -vz b 5672") == true)
    #expect(unreachable(.connect(errno: nil))?.contains("getent hosts b") == true)
  }

  @Test func whatTheServerDoesNotSayIsToldByItsCause() {
    func finding(_ answer: BrokerConversation.Answer, blocked: AMQPError? = nil) -> Finding {
      RegistrationFinding.finding(answer, token: "abc12345...xyz9", blocked: blocked, limit: .seconds(20))
    }
    #expect(finding(.silent).measured.hasPrefix("no answer within 20 s: no worker runs, or the server is older"))
    let late = AMQPError(.timeout, "Read timed out.")
    #expect(
      finding(.failed(late), blocked: AMQPError(.blocked, "the broker takes no messages: low on disk")).measured.contains("low on disk"))
    #expect(
      finding(.failed(late)).measured == "Read timed out."
        && finding(.failed(AMQPError(.returned(code: 312), "312"))).remedy?.contains("declares") == true)
    let notice = ErrorNotice(.inactiveClient, messageID: "m")
    #expect(finding(.refused(notice, isSigned: true)).remedy == "on the server: spotctl clients enable CLIENT")
    #expect(finding(.refused(notice, isSigned: false)).measured.contains("not signed with our token"))
    var taken = reply(status: .online)
    taken.outcome = .refused
    #expect(
      finding(.probed(taken, took: .milliseconds(3))).verdict == .fail
        && finding(.probed(reply(status: .online), took: .zero)).verdict == .pass)
  }

  @Test func aRefusalHasTheWordsOfTheAgentsLog() {
    let operation = Operation(method: "POST", url: "http://s/api/broker/credentials")
    func refusal(_ code: Int, _ text: String) -> Finding {
      CredentialFinding.refusal(
        .failed(operation, .refused(.http, code: code, response: #"{"error": "\#(text)"}"#)), token: "abc12345...xyz9")
    }
    let unknown = refusal(401, "Invalid client token")
    #expect(
      unknown.check == "client token"
        && unknown.measured
          == #"HTTP error 401: POST http://s/api/broker/credentials: {"error": "Invalid client token"}; current token: abc12345...xyz9"#
    )
    #expect(refusal(403, "Client account is not active").remedy == "on the server: spotctl clients enable CLIENT")
    #expect(refusal(500, "x").check == "credential")
  }

  @Test func aStateFolderThatIsOnlyLookedAtIsNotMade() throws {
    let folder = temporaryFolder()
    let path = "\(folder)/deep/er"
    #expect(try StateFolder(path: path, makes: false).path == path)
    #expect(throws: ConfigurationError.self) { try StateFolder(path: "\(#filePath)/x", makes: false) }
    #expect(
      RunningAgent(
        of: JournalFolder.Owner(serverURL: "s", clientID: "c", logicalAgentID: "l"), in: try StateFolder(path: path, makes: false))
        == .notRunning)
    let made = try StateFolder(path: path)
    let owner = JournalFolder.Owner(serverURL: "s", clientID: "c", logicalAgentID: "l")
    let journal = try JournalFolder(of: owner, in: made)
    guard case .running(.some) = RunningAgent(of: owner, in: made) else {
      Issue.record("the journal \(journal.path) is held")
      return
    }
  }

  @Test func aLoginInAProxysAddressIsNotShown() {
    #expect(AgentBundle.withoutLogin("http://user:secret@proxy:3128") == "http://(login)@proxy:3128")
    #expect(AgentBundle.withoutLogin("http://proxy:3128") == "http://proxy:3128" && AgentBundle.withoutLogin("a@b") == "a@b")
  }

  @Test func theCommandLineOfTheDoctorIsRead() {
    #expect(Arguments(["doctor"]) == .doctor(DoctorOptions()))
    var options = DoctorOptions()
    options.isJSON = true
    options.bundle = "/tmp/b"
    #expect(Arguments(["doctor", "--bundle", "/tmp/b", "--json"]) == .doctor(options))
    #expect(Arguments(["doctor", "--json", "--bundle=/tmp/b"]) == .doctor(options))
    #expect(Arguments(["doctor", "--json", "-h"]) == .doctorHelp && Arguments(["doctor", "agent-1"]) == .unknown("agent-1"))
    for rest in [["--bundle"], ["--bundle", "--json"], ["--bundle", ""]] {
      #expect(Arguments(["doctor"] + rest) == .incomplete("--bundle needs a FILE"))
    }
    #expect(Arguments.doctorUsage.hasPrefix("Usage: spot-optimizer-agent doctor [--json] [--bundle FILE]\n"))
  }
}
