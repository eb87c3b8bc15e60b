import FleetProtocol
import Foundation
import ServiceRuntime

@testable import Agent

/// A commands folder of a test's own, with files that are what the test says whatever the umask is.
struct CommandsFixture {
  let path: String
  let folder: CommandsFolder

  init() throws {
    path = temporaryFolder() + "/commands"
    folder = CommandsFolder(path: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    var above = path
    // Up to the folder that all of this process's tests share.
    for _ in 0..<3 {
      try setMode(0o755, above)
      above = (above as NSString).deletingLastPathComponent
    }
  }

  /// A file in the folder, a shell script unless its text says otherwise.
  func add(_ name: String, _ text: String, mode: Int = 0o755) throws {
    let file = "\(path)/\(name)"
    try Data((text.hasPrefix("#!") ? text : "#!/bin/sh\n\(text)\n").utf8).write(to: URL(fileURLWithPath: file))
    try setMode(mode, file)
    try waitUntilNobodyWrites(file)
  }

  /// What another test forks at the wrong moment has the file open for writing too until it becomes another program, and as long as that lasts the
  /// file cannot be run (ETXTBSY). The kernel gives a read lease only when nobody writes.
  private func waitUntilNobodyWrites(_ file: String) throws {
    // F_SETLEASE of <linux/fcntl.h>, which the module of the C library leaves out.
    let setLease: Int32 = 1024
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }  // The test took the right to read it away.
    defer { close(descriptor) }
    let deadline = ContinuousClock.now + .seconds(30)
    while fcntl(descriptor, setLease, F_RDLCK) != 0 {
      guard errno == EAGAIN, ContinuousClock.now < deadline else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
      usleep(1000)
    }
    _ = fcntl(descriptor, setLease, F_UNLCK)
  }

  func setMode(_ mode: Int, _ file: String) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
  }

  func request(
    _ name: String, input: String = "", environment: [String: String] = ["PATH": "/usr/bin:/bin"], timeLimit: Duration = .seconds(60)
  )
    throws -> ExecutableRunner.Request
  {
    ExecutableRunner.Request(
      file: try folder.find(name), standardInput: Array(input.utf8), environment: environment, timeLimit: timeLimit)
  }

  /// Writes a script and runs it.
  func run(
    _ script: String, input: String = "", environment: [String: String] = ["PATH": "/usr/bin:/bin"], timeLimit: Duration = .seconds(60),
    timings: RunTimings = .forTests, onStart: @escaping @Sendable (Int32) -> Void = { _ in },
    onOutput: @escaping @Sendable (CommandOutput.Stream, [UInt8]) -> Void = { _, _ in }
  ) async throws -> ExecutableRunner.Outcome {
    try add("script", script)
    let request = try request("script", input: input, environment: environment, timeLimit: timeLimit)
    return await ExecutableRunner(timings: timings).run(request, onStart: onStart, onOutput: onOutput)
  }
}

extension RunTimings {
  /// Short, so that the tests are; none of them depends on how short.
  static var forTests: RunTimings { RunTimings(grace: .milliseconds(300), linger: .milliseconds(200)) }
}

/// Whether a process runs: one that is dead and waits for its parent's attention does not.
func isRunning(_ process: Int) -> Bool {
  guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }  // gone
  return !(status.components(separatedBy: ") ").last ?? "Z").hasPrefix("Z")
}
