import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

/// The guide's texts, character by character.
@Suite struct ErrorReportTests {
  private let report = ErrorReport(serverURL: "http://server:5000", tokenPreview: "abc12345...xyz9")
  private let post = Operation(method: "POST", url: "http://server:5000/api/broker/credentials")

  private func texts(_ failure: Failure, _ number: Int, _ delay: Duration?) -> [String] {
    report.lines(post, failure, number: number, retryingIn: delay).map { "\($0.level.rawValue) - \($0.text)" }
  }

  @Test func threeTimeoutsReadAsInTheGuide() {
    let failure = Failure.timeout("Read timed out.")
    #expect(texts(failure, 1, .seconds(1)) == ["WARNING - Request timeout (attempt 1/3): \(post) - retrying in 1s"])
    #expect(texts(failure, 2, .seconds(2)) == ["WARNING - Request timeout (attempt 2/3): \(post) - retrying in 2s"])
    #expect(texts(failure, 3, nil) == ["ERROR - Request timeout after 3 attempts: \(post) - Read timed out."])
  }

  @Test func aConnectionErrorEndsWithTheTriple() {
    let triple = [
      "ERROR - Connection error after 3 attempts: \(post) - [Errno 111] Connection refused",
      "ERROR - Server URL configured as: http://server:5000", "ERROR - Verify server is running and CLIENT_TOKEN is valid",
    ]
    #expect(texts(.connection("[Errno 111] Connection refused"), 3, nil) == triple)
    // A running agent goes on, and says the same once.
    #expect(texts(.connection("[Errno 111] Connection refused"), 3, .seconds(2)) == triple)
  }

  @Test func afterTheTripleEveryFailureIsOneLineWithTheNextDelay() {
    #expect(
      texts(.connection("[Errno 111] Connection refused"), 7, .milliseconds(13_449)) == [
        "WARNING - Connection error (attempt 7): \(post) - [Errno 111] Connection refused - retrying in 13.4s"
      ])
  }

  @Test func refusalsReadAsInTheGuide() {
    #expect(
      texts(.refused(.http, code: 401, response: #"{"error": "Invalid client token"}"#), 1, nil) == [
        "ERROR - HTTP error 401: \(post)", #"ERROR - Response: {"error": "Invalid client token"}"#,
        "ERROR - Authentication failed - check CLIENT_TOKEN configuration", "ERROR - Current token: abc12345...xyz9",
      ])
    #expect(
      texts(.refused(.http, code: 403, response: #"{"error": "Client account is not active"}"#), 1, nil) == [
        "ERROR - HTTP error 403: \(post)", #"ERROR - Response: {"error": "Client account is not active"}"#,
        "ERROR - Authentication failed - check CLIENT_TOKEN configuration",
      ])
    #expect(
      texts(.refused(.amqp, code: 404, response: #"{"error": "Agent not found"}"#), 1, nil) == [
        "ERROR - AMQP error 404: \(post)", #"ERROR - Response: {"error": "Agent not found"}"#,
      ])
  }

  @Test func aMessageIsNamedByBrokerVhostAndRoutingKey() {
    #expect(
      Operation.publish("heartbeat.c1.a1", broker: "amqp://broker:5672", virtualHost: "spot-optimizer").description
        == "PUBLISH amqp://broker:5672/spot-optimizer/heartbeat.c1.a1")
  }

  @Test func startingGivesUpAfterThreeAndRunningNeverDoes() {
    var starting = FailureSeries(report, ceiling: .seconds(60))
    #expect(starting.failed(post, .timeout("t"), givesUpAfterThree: true).delay == .seconds(1))
    #expect(starting.failed(post, .timeout("t"), givesUpAfterThree: true).delay == .seconds(2))
    #expect(starting.failed(post, .timeout("t"), givesUpAfterThree: true).delay == nil)
    var running = FailureSeries(report, ceiling: .seconds(60))
    for _ in 0..<10 { #expect(running.failed(post, .timeout("t"), givesUpAfterThree: false).delay != nil) }
  }

  @Test func anAnswerIsShownAsTheGuideWritesItWhateverItsSpaces() {
    #expect(ResponseText.of(Array(#"{"error":"Invalid client token"}"#.utf8)) == #"{"error": "Invalid client token"}"#)
    #expect(
      ResponseText.of(Array(#"{"details":{"a":["b","c"]},"error":"Validation failed"}"#.utf8))
        == #"{"error": "Validation failed", "details": {"a": ["b", "c"]}}"#)
    #expect(ResponseText.of(Array("<h1>Bad gateway</h1>\n".utf8)) == "<h1>Bad gateway</h1>")
    #expect(ResponseText.of([]) == "")
    let page = ResponseText.of(Array(repeating: 0x78, count: 100_000))
    #expect(page.count < 600 && page.hasSuffix("… (100000 bytes)"))
  }
}
