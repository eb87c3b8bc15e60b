import FleetProtocol
import ServiceRuntime
import Testing

@testable import AMQP
@testable import Server

/// Every message from the wire gets exactly one verdict, whatever is in it.
@Suite struct VerifierTests {
  private let key = "heartbeat.c1.a1"
  private let accounts = ["c1": BenchMessage.account()]

  private func verdict(
    _ message: Message, routingKey: String? = nil, accounts: [String: Account]? = nil, kind: MessageKind = .heartbeat
  ) -> Verdict<Heartbeat> {
    Verifier<Heartbeat>(kind).verdict(
      BenchMessage.delivery(message, routingKey: routingKey ?? key), accounts: accounts ?? self.accounts)
  }

  private func good(_ change: (inout Message) -> Void = { _ in }) throws -> Message {
    var message = try BenchMessage.signed(BenchMessage.heartbeat("id-1"), routingKey: key)
    change(&message)
    return message
  }

  private func refusal(_ verdict: Verdict<Heartbeat>) throws -> Refusal {
    guard case .refused(let refusal) = verdict else { throw UnexpectedVerdict(description: "\(verdict)") }
    return refusal
  }

  private func reason(_ verdict: Verdict<Heartbeat>) throws -> String {
    guard case .unusable(let letter) = verdict else { throw UnexpectedVerdict(description: "\(verdict)") }
    return letter.reason
  }

  @Test func acceptsASignedMessageOfAnActiveClient() throws {
    guard case .accepted(let message) = verdict(try good()) else { throw UnexpectedVerdict(description: "not accepted") }
    #expect(message.body.agentID == "id-1" && message.address.logicalAgentID == "a1" && message.account.id == "c1")
  }

  @Test func refusesWhatNobodyProvesToHaveSent() throws {
    let cases: [(String, Message, [String: Account])] = [
      ("no client has the id", try good(), [:]),
      ("signature does not match", try good(), ["c1": BenchMessage.account(token: "another token")]),
      ("signature does not match", try good { $0.body += Array(" ".utf8) }, accounts),
      ("signature does not match", try good { $0.timestamp = 1 }, accounts),
      ("signature does not match", try good { $0.messageID = "another" }, accounts),
      ("'signature' is missing", try good { $0.headers = [:] }, accounts),
      ("'signature' is missing", try good { $0.headers["signature"] = .int(1) }, accounts),
      ("'signature' is missing", try good { $0.headers["signature"] = .table([:]) }, accounts),
      ("'signature-version' is missing", try good { $0.headers["signature-version"] = .text("1") }, accounts),
      ("signature-version is 2", try good { $0.headers["signature-version"] = .int(2) }, accounts),
      ("not 64 lower-case", try good { $0.headers["signature"] = .text("") }, accounts),
      ("not 64 lower-case", try good { $0.headers["signature"] = .text(String(repeating: "F", count: 64)) }, accounts),
      ("not 64 lower-case", try good { $0.headers["signature"] = .text(String(repeating: "0", count: 100_000)) }, accounts),
      ("'timestamp' is missing", try good { $0.timestamp = nil }, accounts),
      ("'timestamp' is missing", try good { $0.timestamp = .max }, accounts),
      ("printable ASCII", try good { $0.messageID = "line\nbreak" }, accounts),
      ("printable ASCII", try good { $0.messageID = "größe" }, accounts),
    ]
    for (text, message, accounts) in cases {
      let refusal = try refusal(verdict(message, accounts: accounts))
      #expect(refusal.notice.status == 401 && refusal.notice.error == "Invalid client token" && refusal.isAuthentication)
      #expect(refusal.reason.contains(text), "\(refusal.reason)")
    }
  }

  @Test func takesNoSignatureMadeWithAnEmptyToken() throws {
    for token in ["", "  "] {
      let message = try BenchMessage.signed(BenchMessage.heartbeat("id-1"), routingKey: key, token: "")
      let refusal = try refusal(verdict(message, accounts: ["c1": BenchMessage.account(token: token)]))
      #expect(refusal.notice.status == 401 && refusal.reason.contains("empty client_token"))
    }
  }

  @Test func takesNoMessageForAnotherRoutingKeyThanItWasSignedFor() throws {
    for other in ["heartbeat.c1.a2", "heartbeat.c2.a1"] {
      let accounts = ["c1": BenchMessage.account(), "c2": BenchMessage.account("c2", token: "token-of-c2")]
      let refusal = try refusal(verdict(try good(), routingKey: other, accounts: accounts))
      #expect(refusal.notice.status == 401)
    }
  }

  @Test func tellsADisabledClientOnlyWhenItHasProvedItself() throws {
    let disabled = ["c1": BenchMessage.account(isActive: false)]
    let proved = try refusal(verdict(try good(), accounts: disabled))
    #expect(proved.notice.status == 403 && proved.notice.error == "Client account is not active" && proved.isAuthentication)
    let forged = try refusal(verdict(try good { $0.body = [] }, accounts: disabled))
    #expect(forged.notice.status == 401)
  }

  @Test func tellsTheSenderWhatIsWrongWithASignedBody() throws {
    let deep = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
    let id = #""agent_id":"x","#
    let bodies: [([UInt8], String)] = [
      (Array("{".utf8), "body"), ([], "body"), (Array("null".utf8), "body"), (Array("[]".utf8), "body"),
      (Array("{}".utf8), "agent_id"), (Array(#"{"agent_id":7}"#.utf8), "agent_id"), (Array(deep.utf8), "body"),
      ([0x7b, 0xff, 0xfe, 0x7d], "body"), ([UInt8](repeating: 0x20, count: 300_000), "body"),
      (Array("{\(id)\"status\":\"asleep\"}".utf8), "status"),
      (Array("{\(id)\"status\":\"online\",\"monitored_instances\":\"all\"}".utf8), "monitored_instances"),
      (Array(heartbeat(generation: "1e999").utf8), "generation"),
      (Array(heartbeat(generation: "123456789012345678901234567890").utf8), "generation"),
      (Array(heartbeat(generation: "0").utf8), "generation"), (Array(heartbeat(generation: "-1").utf8), "generation"),
      (Array(heartbeat(sentAt: "\"yesterday\"").utf8), "sent_at"), (Array(heartbeat(sentAt: "1700000000").utf8), "sent_at"),
      (Array(heartbeat(agentID: String(repeating: "x", count: 65)).utf8), "agent_id"),
    ]
    for (body, field) in bodies {
      let refusal = try refusal(verdict(try BenchMessage.signed(body, type: "heartbeat", routingKey: key)))
      #expect(refusal.notice.status == 400 && !refusal.isAuthentication)
      let fields = refusal.notice.details.map { Array($0.keys) } ?? []
      // Foundation tells a number that no type holds as a fault of the whole text.
      #expect(
        fields == [field] || (field == "generation" && fields == ["body"]),
        "\(fields) for \(String(decoding: body.prefix(80), as: UTF8.self))")
      #expect(throws: Never.self) { try refusal.notice.validate() }
    }
  }

  private func heartbeat(agentID: String = "x", generation: String = "1", sentAt: String = "\"2025-11-25T05:26:47.000Z\"") -> String {
    #"{"agent_id":"\#(agentID)","status":"online","monitored_instances":[],"generation":\#(generation),"sent_at":\#(sentAt)}"#
  }

  @Test func putsAsideWhatNoAgentSends() throws {
    #expect(try reason(verdict(try good { $0.messageID = nil })) == "it has no message_id")
    #expect(try reason(verdict(try good { $0.type = nil })).contains("its type is ''"))
    #expect(try reason(verdict(try good { $0.type = "result" })).contains("its type is 'result'"))
    for routingKey in [
      "", "heartbeat", "heartbeat.c1", "heartbeat.c1.a1.x", "pulse.c1.a1", "heartbeat.c1.%61", "heartbeat..a1", "heartbeat.c1.%00",
    ] {
      #expect(try reason(verdict(try good(), routingKey: routingKey)).contains("routing key"), "\(routingKey)")
    }
  }

  @Test func putsKindsAsideThatThisVersionHasNoUseFor() throws {
    for kind in [MessageKind.output, .notice] {
      let delivery = BenchMessage.delivery(try good(), routingKey: "\(kind.rawValue).c1.a1")
      guard case .unusable(let letter) = Verifier<CommandReport>(.result).verdict(delivery, accounts: accounts) else {
        throw UnexpectedVerdict(description: kind.rawValue)
      }
      #expect(letter.reason.contains("no use for messages of kind '\(kind.rawValue)'"))
    }
  }

  @Test func verifiesWithTheTokenThatHoldsNow() throws {
    let verifier = Verifier<Heartbeat>(.heartbeat)
    let delivery = BenchMessage.delivery(try good(), routingKey: key)
    guard case .accepted = verifier.verdict(delivery, accounts: accounts) else { throw UnexpectedVerdict(description: "before") }
    let rotated = ["c1": BenchMessage.account(token: "rotated")]
    guard case .refused = verifier.verdict(delivery, accounts: rotated) else { throw UnexpectedVerdict(description: "after") }
  }
}

struct UnexpectedVerdict: Error, CustomStringConvertible { let description: String }
