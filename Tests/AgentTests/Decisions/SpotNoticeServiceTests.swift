import FleetProtocol
import HTTP
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct SpotNoticeServiceTests {
  private typealias Answer = SpotNoticeService.Answer

  private func withService(_ body: (SpotNoticeService, MetadataPeer) async throws -> Void) async throws {
    try await withMetadata { peer, url in
      let service = SpotNoticeService(endpoint: try ServerURL(url, name: "U"), timeout: .seconds(10))
      defer { service.close() }
      try await body(service, peer)
    }
  }

  @Test func bothNoticesAreReadAndTheirAbsenceToo() async throws {
    try await withService { service, peer in
      #expect(await service.ask(.interruption) == .none)
      #expect(await service.ask(.rebalance) == .none)
      peer.say(#"{"action": "terminate", "time": "2027-09-18T08:22:00Z"}"#, at: MetadataPeer.interruptionPath)
      peer.say(#"{"noticeTime": "2027-11-05T08:22:00Z"}"#, at: MetadataPeer.rebalancePath)
      let interruption = SpotNoticeService.Notice(
        kind: .interruption, action: "terminate", time: try #require(Timestamp(text: "2027-09-18T08:22:00Z")))
      let rebalance = SpotNoticeService.Notice(kind: .rebalance, action: nil, time: try #require(Timestamp(text: "2027-11-05T08:22:00Z")))
      #expect(await service.ask(.interruption) == .notice(interruption))
      #expect(await service.ask(.rebalance) == .notice(rebalance))
    }
  }

  @Test func oneTokenServesManyQuestionsAndIsReplacedWhenItIsRefused() async throws {
    try await withService { service, peer in
      for _ in 0..<10 { #expect(await service.ask(.interruption) == .none) }
      #expect(peer.tokensGiven == 1)
      peer.forgetTokens()
      #expect(await service.ask(.interruption) == .none)
      #expect(peer.tokensGiven == 2)
    }
  }

  @Test(arguments: [
    "", "null", "[]", "{}", "<html>captive portal</html>", #"{"action":"terminate"}"#, #"{"action":"terminate","time":"soon"}"#,
    #"{"action":5,"time":"2027-09-18T08:22:00Z"}"#, #"{"action":"a b\n","time":"2027-09-18T08:22:00Z"}"#, #"{"noticeTime":17}"#, "\u{0}",
  ])
  func garbageIsAProblemAndNoNotice(_ text: String) throws {
    for kind in [SpotNotice.Kind.interruption, .rebalance] {
      guard case .problem(let problem) = SpotNoticeService.read(Array(text.utf8), kind) else {
        Issue.record("'\(text)' was read as a notice")
        continue
      }
      #expect(problem.hasPrefix("its answer cannot be read: ") && !problem.contains("\n"))
    }
  }

  @Test func redirectsErrorsFloodsAndSilenceAreProblems() async throws {
    try await withService { service, peer in
      let path = MetadataPeer.interruptionPath
      peer.set(HTTPResponse(status: 302, headers: ["Location": "http://127.0.0.1:1/"]), at: path)
      #expect(await service.ask(.interruption) == .problem("it answers 302"))
      peer.set(.error(500, "no"), at: path)
      #expect(await service.ask(.interruption) == .problem("it answers 500"))
      peer.say(String(repeating: " ", count: 1 << 20), at: path)
      #expect(await service.ask(.interruption) == .problem("The response is larger than 16384 bytes"))
      peer.say(nil, at: path)
      #expect(await service.ask(.interruption) == .none)
    }
    let listener = try SilentListener()
    let silent = SpotNoticeService(endpoint: try ServerURL("http://127.0.0.1:\(listener.port)", name: "U"), timeout: .milliseconds(200))
    defer { silent.close() }
    #expect(await silent.ask(.interruption) == .problem("Read timed out."))
    let absent = SpotNoticeService(endpoint: try ServerURL("http://127.0.0.1:1", name: "U"), timeout: .seconds(5))
    defer { absent.close() }
    #expect(await absent.ask(.interruption) == .problem("[Errno 111] Connection refused"))
  }
}
