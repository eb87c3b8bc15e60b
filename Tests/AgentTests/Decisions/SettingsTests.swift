import FleetProtocol
import Foundation
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct SettingsTests {
  private func settings(_ more: [String: String]) throws -> AgentSettings {
    try AgentSettings(
      Environment(
        [
          "SPOT_OPTIMIZER_SERVER_URL": "http://server:5000", "SPOT_OPTIMIZER_CLIENT_TOKEN": "t",
          "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(),
        ].merging(more) { $1 }))
  }

  @Test func aServersUrlMayHaveAPathAndSlashesAtItsEnd() throws {
    #expect(try ServerURL("http://your-server:5000/", name: "U").description == "http://your-server:5000")
    #expect(try ServerURL("HTTPS://proxy.example/spot//", name: "U").appending("/health") == "https://proxy.example/spot/health")
    #expect(try ServerURL("http://[::1]:5000", name: "U").description == "http://[::1]:5000")
  }

  @Test(arguments: [
    "server:5000", "ftp://server", "http://", "http:///path", "http://:5000", "http://server:0", "http://server:65536",
    "http://server:port",
    "http://user:secret@server", "http://server/?a=b", "http://server/#x", "http://ser ver", "http://server/\u{1b}[31m", "http://sörver",
    "http://[::1", "http://[::1]5000", "",
  ])
  func aUrlThatCannotBeTheServersIsRefusedWithoutShowingASecret(_ text: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try ServerURL(text, name: "SPOT_OPTIMIZER_SERVER_URL") }
    #expect(error.name == "SPOT_OPTIMIZER_SERVER_URL" && error.remedy.contains("http://your-server:5000"))
    #expect(!error.description.contains("secret") && !error.description.contains("\u{1b}"))
  }

  @Test func aTokenIsStrippedCheckedAndNeverPrinted() throws {
    let token = try ClientToken(" abc12345-0000-0000-xyz9\n", name: "T")
    #expect(token.secret == "abc12345-0000-0000-xyz9")
    #expect("\(token)" == "abc12345...xyz9" && String(reflecting: token) == "abc12345...xyz9")
    var dumped = ""
    dump(token, to: &dumped)
    #expect(!dumped.contains("0000"))
    for bad in ["  ", "a\nb", "a\u{7f}", String(repeating: "x", count: 256)] {
      let error = try #require(throws: ConfigurationError.self) { try ClientToken(bad, name: "T") }
      #expect(!error.description.contains("xxx"))
    }
  }

  @Test func whatIsNoLongerUsedIsAcceptedWhateverItIs() throws {
    let settings = try settings(["PENDING_COMMANDS_CHECK_INTERVAL": "whatever"])
    #expect(settings.remarks.map(\.level) == [.debug])
  }

  @Test func theMetadataServiceCanBeSwitchedOffAndMoved() throws {
    #expect(try settings([:]).metadataEndpoint?.description == "http://169.254.169.254")
    #expect(try settings(["AWS_EC2_METADATA_DISABLED": "True"]).metadataEndpoint == nil)
    #expect(
      try settings(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:8111/"]).metadataEndpoint?.description == "http://127.0.0.1:8111"
    )
    #expect(throws: ConfigurationError.self) { try settings(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "169.254.169.254"]) }
  }

  @Test func aStateFolderIsMadeForItsOwnerAlone() throws {
    let path = temporaryFolder() + "/a/b"
    #expect(try settings(["SPOT_OPTIMIZER_STATE_DIR": path + "/"]).stateFolder?.path == path)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o700)
    for bad in ["relative/folder", "/proc/nowhere", "/dev/null/x"] {
      let error = try #require(throws: ConfigurationError.self) { try settings(["SPOT_OPTIMIZER_STATE_DIR": bad]) }
      #expect(error.name == "SPOT_OPTIMIZER_STATE_DIR" && error.problem.contains(bad))
    }
  }

  @Test func aCommandsFolderThatWasNamedHasToBeUsable() throws {
    let commands = try CommandsFixture()
    #expect(try settings(["SPOT_OPTIMIZER_COMMANDS_DIR": commands.path]).commandsFolder.path == commands.path)
    #expect(try settings([:]).commandsFolder.path == "/etc/spot-optimizer/commands")
    try commands.setMode(0o777, commands.path)
    for (bad, text) in [("commands", "no absolute path"), ("/nonexistent", "does not exist"), (commands.path, "can be written by others")] {
      let error = try #require(throws: ConfigurationError.self) { try settings(["SPOT_OPTIMIZER_COMMANDS_DIR": bad]) }
      #expect(error.name == "SPOT_OPTIMIZER_COMMANDS_DIR" && error.problem.contains("'\(bad)'") && error.problem.contains(text))
    }
  }

  @Test func atMostSixtyFourCommandsRunAtOnce() throws {
    #expect(try settings([:]).maximumConcurrentCommands == 4)
    #expect(try settings(["SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS": "64"]).maximumConcurrentCommands == 64)
    for bad in ["0", "65", "many"] {
      #expect(throws: ConfigurationError.self) { try settings(["SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS": bad]) }
    }
  }

  @Test func tagsAreNamesWithValues() throws {
    #expect(try settings([:]).tags == [:])
    #expect(
      try settings(["SPOT_OPTIMIZER_TAGS": "role=worker, team = ml,empty=,x=a=b"]).tags == [
        "role": "worker", "team": "ml", "empty": "", "x": "a=b",
      ])
    let many = (0...64).map { "t\($0)=1" }.joined(separator: ",")
    for bad in [
      "role", "=x", "role=a,role=b", "ro le=x", "role=a,", "a=\u{1b}[31m", "r\u{f6}le=x", "x=" + String(repeating: "v", count: 256), many,
    ] {
      let error = try #require(throws: ConfigurationError.self) { try settings(["SPOT_OPTIMIZER_TAGS": bad]) }
      #expect(error.name == "SPOT_OPTIMIZER_TAGS" && error.remedy.contains("role=worker,team=ml") && !error.description.contains("\u{1b}"))
    }
  }

  @Test func argumentsAreHelpVersionOrAMistake() {
    #expect(Arguments([]) == .run && Arguments(["--help"]) == .help && Arguments(["-h"]) == .help && Arguments(["--version"]) == .version)
    #expect(Arguments(["start"]) == .unknown("start") && Arguments(["--help", "x"]) == .help)
  }

  @Test func lifeCyclesOfTheMetadataAreModes() {
    #expect(InstanceMetadata.mode(lifeCycle: "spot") == .spot && InstanceMetadata.mode(lifeCycle: "on-demand") == .ondemand)
    #expect(InstanceMetadata.mode(lifeCycle: nil) == .unknown)
    #expect(
      !InstanceMetadata.isWord("<html>") && !InstanceMetadata.isWord("a b") && !InstanceMetadata.isWord("")
        && InstanceMetadata.isWord("i-1"))
  }
}
