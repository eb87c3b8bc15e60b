import Testing
import TestSupport

/// The container set-up, which no test can run, held against what it stands on.
@Suite struct DeploymentTests {
  @Test func composeAndDockerfileMatchWhatTheProgramsAndTheBrokerRead() async throws {
    let check = try await Program.tool(LocalServices.repository + "/script/check-deployment")
    #expect(try await check.waitForExit() == .exited(0), "\(check.output)")
  }
}
