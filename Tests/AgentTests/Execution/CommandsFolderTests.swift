import Foundation
import Testing

@testable import Agent

@Suite struct CommandsFolderTests {
  private func problem(_ fixture: CommandsFixture, _ name: String) throws -> ExecutableProblem {
    try #require(throws: ExecutableProblem.self) { try fixture.folder.find(name) }
  }

  @Test func anExecutableFileIsFoundByItsName() throws {
    let fixture = try CommandsFixture()
    try fixture.add("disk-usage", "df")
    try fixture.add("with space & $(rm)", "true")
    let file = try fixture.folder.find("disk-usage")
    #expect(file.name == "disk-usage" && file.path == "\(fixture.path)/disk-usage" && !file.isRepeatable)
    #expect(try fixture.folder.find("with space & $(rm)").path.hasSuffix("/with space & $(rm)"))
  }

  @Test(arguments: ["", ".", "..", ".hidden", "a/b", "/bin/sh", "../commands/run", "run\n", "ru\u{0}n", "\u{9b}31m", "run/"])
  func aNameThatIsMoreThanAFileNameIsRefused(_ name: String) throws {
    let fixture = try CommandsFixture()
    try fixture.add("run", "true")
    try fixture.add(".hidden", "true")
    let problem = try problem(fixture, name)
    #expect(problem.remedy.contains("file name") && !problem.description.contains("\n"))
  }

  @Test func aNameLongerThanACommandsIsRefused() throws {
    #expect(try problem(try CommandsFixture(), String(repeating: "x", count: 129)).problem.contains("129 bytes; 128 are the most"))
  }

  @Test func whatIsNotThereIsToldWithWhatIs() throws {
    let fixture = try CommandsFixture()
    #expect(try problem(fixture, "absent").remedy.contains("no command is there yet"))
    try fixture.add("one", "true")
    try fixture.add("two", "true")
    try fixture.add("not-executable", "true", mode: 0o644)
    let problem = try problem(fixture, "absent")
    #expect(problem.problem == "There is no 'absent' in '\(fixture.path)'" && problem.remedy.hasSuffix(": one, two"))
  }

  @Test func aRefusalHasTheReasonFirstAndWhatThereIsOnce() throws {
    let fixture = try CommandsFixture()
    func refusal(_ name: String) throws -> String { CommandConsumer.refusal(of: name, try problem(fixture, name), in: fixture.folder) }
    #expect(try refusal("absent").contains("no command is there yet"))
    try fixture.add("one", "true")
    try fixture.add("loose", "true", mode: 0o777)
    #expect(try refusal("loose").hasPrefix("'\(fixture.path)/loose' can be written by others (mode 777); chmod go-w"))
    #expect(
      try refusal("absent")
        == "Unknown command 'absent': this agent knows configure, describe, one, ping. There is no 'absent' in '\(fixture.path)'")
    #expect(try refusal("a/b").hasPrefix("The command's name is 'a/b', a path"))
  }

  @Test func namesAreThoseThatCanBeRun() throws {
    let fixture = try CommandsFixture()
    try fixture.add("b", "true")
    try fixture.add("a", "true")
    try fixture.add("a.repeatable", "", mode: 0o644)
    try fixture.add("open", "true", mode: 0o777)
    try fixture.add(".hidden", "true")
    try fixture.link("out", to: "/bin/true")
    try FileManager.default.createDirectory(atPath: "\(fixture.path)/folder", withIntermediateDirectories: false)
    #expect(fixture.folder.names() == ["a", "b"])
    #expect(CommandsFolder(path: "/nonexistent").names() == [])
  }

  @Test func aFileThatCannotBeExecutedIsRefused() throws {
    let fixture = try CommandsFixture()
    try fixture.add("readme", "true", mode: 0o644)
    #expect(
      try problem(fixture, "readme").description.hasSuffix("is not executable for the agent's user; chmod 755 \(fixture.path)/readme"))
    try FileManager.default.createDirectory(atPath: "\(fixture.path)/folder", withIntermediateDirectories: false)
    #expect(try problem(fixture, "folder").problem.contains("is not a regular file"))
    #expect(mkfifo("\(fixture.path)/pipe", 0o755) == 0)
    #expect(try problem(fixture, "pipe").problem.contains("is not a regular file"))
  }

  @Test(arguments: [0o775, 0o757, 0o777])
  func aFileThatOthersMayWriteIsRefused(_ mode: Int) throws {
    let fixture = try CommandsFixture()
    try fixture.add("open", "true", mode: mode)
    let problem = try problem(fixture, "open")
    #expect(problem.problem.contains("can be written by others (mode \(String(mode, radix: 8)))"))
    #expect(problem.remedy == "chmod go-w \(fixture.path)/open")
  }

  @Test(arguments: [0o775, 0o757, 0o1777])
  func aFolderThatOthersMayWriteIsRefused(_ mode: Int) throws {
    let fixture = try CommandsFixture()
    try fixture.add("run", "true")
    try fixture.setMode(mode, fixture.path)
    let problem = try problem(fixture, "run")
    #expect(problem.problem.contains("The commands folder '\(fixture.path)' can be written by others"))
    #expect(problem.remedy == "chmod go-w \(fixture.path)")
  }

  @Test func aFolderWhoseParentOthersMayWriteIsRefused() throws {
    let fixture = try CommandsFixture()
    try fixture.add("run", "true")
    try fixture.setMode(0o777, fixture.path + "/..")
    #expect(try problem(fixture, "run").problem.contains("\(fixture.path)/..' can be written by others"))
    // As in /tmp: others may add to it and not rename what is ours.
    try fixture.setMode(0o1777, fixture.path + "/..")
    #expect(try fixture.folder.find("run").name == "run")
  }

  @Test(.enabled(if: geteuid() == 0, "only root gives files away"))
  func whatBelongsToAnotherUserIsRefused() throws {
    let fixture = try CommandsFixture()
    try fixture.add("run", "true")
    #expect(chown("\(fixture.path)/run", 12_345, 0) == 0)
    #expect(try problem(fixture, "run").problem.contains("belongs to the user 12345"))
    #expect(chown("\(fixture.path)/run", 0, 0) == 0 && chown(fixture.path, 12_345, 0) == 0)
    #expect(try problem(fixture, "run").remedy == "chown root \(fixture.path)")
  }

  @Test(arguments: ["/bin/true", "../secret", "sub/run", "..", "."])
  func aSymbolicLinkThatMayLeadOutOfTheFolderIsRefused(_ target: String) throws {
    let fixture = try CommandsFixture()
    try FileManager.default.copyItem(atPath: "/bin/true", toPath: fixture.path + "/../secret")
    try fixture.link("out", to: target)
    let problem = try problem(fixture, "out")
    #expect(problem.problem.contains("is a symbolic link to '\(target)', which may lead out of the folder"))
  }

  @Test func aSymbolicLinkToAFileBesideItIsFollowedAndTheFileIsChecked() throws {
    let fixture = try CommandsFixture()
    try fixture.add("switch-v2", "true")
    try fixture.link("switch", to: "switch-v2")
    #expect(try fixture.folder.find("switch").path == "\(fixture.path)/switch-v2")
    try fixture.setMode(0o777, "\(fixture.path)/switch-v2")
    #expect(try problem(fixture, "switch").problem.contains("/switch-v2' can be written by others"))
    try fixture.link("dangling", to: "nowhere")
    #expect(try problem(fixture, "dangling").problem.contains("link to 'nowhere', which does not exist"))
    try fixture.link("loop", to: "loop")
    #expect(try problem(fixture, "loop").problem.contains("chain of symbolic links"))
    // Two steps, the second out of the folder.
    try fixture.link("second", to: "/bin/true")
    try fixture.link("first", to: "second")
    #expect(try problem(fixture, "first").problem.contains("second' is a symbolic link to '/bin/true'"))
  }

  @Test func aFileBesideItMarksACommandAsRepeatable() throws {
    let fixture = try CommandsFixture()
    try fixture.add("run", "true")
    try fixture.add("run.repeatable", "", mode: 0o644)
    #expect(try fixture.folder.find("run").isRepeatable)
    try fixture.setMode(0o666, "\(fixture.path)/run.repeatable")
    #expect(try problem(fixture, "run").problem.contains("run.repeatable' can be written by others"))
    try FileManager.default.removeItem(atPath: "\(fixture.path)/run.repeatable")
    try fixture.link("run.repeatable", to: "run")
    #expect(try problem(fixture, "run").problem.contains("is not a regular file"))
  }

  @Test func aFolderThatIsNoneIsToldWithTheRemedy() throws {
    for (path, text) in [
      ("/nonexistent/commands", "does not exist"), ("/etc/hostname", "is not a folder"), ("commands", "is no absolute path"),
    ] {
      let problem = try #require(throws: ExecutableProblem.self) { try CommandsFolder(path: path).find("run") }
      #expect(problem.problem == "The commands folder '\(path)' \(text)")
    }
  }
}
