import FleetProtocol
import Glibc
import ServiceRuntime
import Testing

@testable import Diagnosis

@Suite struct DiagnosisTests {
  @Test func warningsLeaveAReportHealthyAndOneFailureDoesNot() {
    let told = Lock<[String]>([])
    var report = DiagnosisReport { finding in told.withLock { $0.append(finding.check) } }
    report.add(.pass("a", "is there"))
    report.add(.warn("b", "is slow", remedy: "wait"))
    #expect(report.isHealthy)
    report.add(.fail("c", "is away", remedy: "start c"))
    #expect(!report.isHealthy && told.withLock { $0 } == ["a", "b", "c"])
  }

  @Test func aReportReadsAsLinesWithTheirRemedyAndSaysWhatWasNotLookedAt() {
    var report = DiagnosisReport()
    report.add(.pass("database", "answers"))
    report.add(.fail("broker login", "403\nACCESS_REFUSED", remedy: "spotctl keys create"))
    report.skip("topology", because: "no login")
    #expect(
      report.text == """
        pass  database                 answers
        fail  broker login             403\\nACCESS_REFUSED
              → spotctl keys create
              topology                 not looked at: no login
        1 passed, 0 warned, 1 failed, 1 not looked at

        """)
    #expect(
      report.json == [
        "healthy": false,
        "findings": [
          ["check": "database", "verdict": "pass", "measured": "answers", "remedy": nil],
          ["check": "broker login", "verdict": "fail", "measured": "403\nACCESS_REFUSED", "remedy": "spotctl keys create"],
        ],
        "not_checked": [["check": "topology", "because": "no login"]],
      ])
  }

  @Test func aBundleIsOneArchiveForItsOwnerOnlyAndLeavesNothingElseBehind() throws {
    var template = Array("/tmp/spot-optimizer-bundle-XXXXXX".utf8CString)
    let folder = try #require(template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    defer {
      unlink("\(folder)/b.tar.gz")
      rmdir(folder)
    }
    var bundle = DiagnosticBundle(name: "doctor")
    bundle.add("report.txt", "pass\n")
    try bundle.write(to: "\(folder)/b.tar.gz")
    try bundle.write(to: "\(folder)/b.tar.gz")
    var status = stat()
    try #require(stat("\(folder)/b.tar.gz", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600 && status.st_size > 0)
    #expect(rmdir(folder) != 0, "the archive is in it")
    unlink("\(folder)/b.tar.gz")
    #expect(rmdir(folder) == 0, "and nothing else is")
  }

  @Test func secretsAndWhateverLooksLikeACredentialAreTakenOutOfABundle() {
    let secrets = BundleSecrets(["token-of-c1", "token-of-c1-and-more", "short", ""])
    let credential = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln-_bmF0dXJl"
    #expect(
      secrets.removed(from: "a token-of-c1 b token-of-c1-and-more c=\(credential), short\n")
        == "a (secret) b (secret) c=(credential), short\n")
    #expect(
      secrets.removed(from: "eyJ is no credential, nor is eyJhbGciOiJSUzI1NiJ9.x") == "eyJ is no credential, nor is eyJhbGciOiJSUzI1NiJ9.x")
  }

  @Test func aBundleThatCannotBeWrittenSaysWhere() {
    #expect(
      throws: DiagnosticBundle.Problem(
        description: "cannot write '/nowhere/b.tar.gz': [Errno 2] No such file or directory; name a path in a folder that you may write")
    ) { try DiagnosticBundle(name: "doctor").write(to: "/nowhere/b.tar.gz") }
  }
}
