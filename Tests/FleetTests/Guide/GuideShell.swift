import Foundation
import TestSupport

/// A shell on the operator's machine, where the page's stand-ins are a fleet's server, database and broker.
struct GuideShell: Sendable {
  private let variables: [String: String]
  private let replacements: [(String, String)]

  /// - Parameters:
  ///   - variables: what the shell has beside the server's environment.
  ///   - replacements: what stands for words of the page, beside the fleet's addresses.
  init(_ fleet: Fleet, _ server: Fleet.Server, _ variables: [String: String] = [:], _ replacements: [(String, String)] = []) throws {
    let database = fleet.serverEnvironment()
    let port = String(server.url.split(separator: ":").last ?? "")
    let folder = try Self.programs(for: fleet)
    // -p asks at a terminal, which a test has not: the password and the port come by the client's own variables.
    self.variables = database.merging([
      "PATH": "\(folder):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")", "MYSQL_PWD": fleet.database.password,
      "MYSQL_TCP_PORT": String(fleet.database.port), "NEW_TOKEN": UUID().uuidString, "SPOT_OPTIMIZER_CLIENT_TOKEN": fleet.token,
      "HTTP_PORT": port, "RABBITMQCTL": "\(folder)/rabbitmqctl",
    ]) { $1 }.merging(variables) { $1 }
    self.replacements =
      replacements + [
        ("-p DB_NAME", fleet.database.name), ("DB_HOST", fleet.database.host), ("DB_USER", fleet.database.user),
        ("YOUR_TOKEN", fleet.token),
        ("YOUR_LOGICAL_ID", "agent-001"), ("YOUR_CLIENT_ID", Fleet.clientID), ("http://your-server:5000", server.url),
        ("http://localhost:5000", server.url), ("grep 5000", "grep \(port)"), ("-p spot-optimizer ", "-p \(fleet.virtualHost) "),
        ("/var/log/spot-optimizer/backend.log", "\(fleet.folder)/backend.log"), ("spot-optimizer.tar.gz", "\(fleet.folder)/bundle.tar.gz"),
        // Other tests of this machine have agents too: the words find them all, and only ours is signalled.
        ("pkill -f", "pgrep -f"), ("SERVER_PID", String(server.program.pid)),
      ]
  }

  /// A folder with our programs and the broker's tool under the names by which they are installed.
  private static func programs(for fleet: Fleet) throws -> String {
    let folder = "\(fleet.folder)/bin"
    guard !FileManager.default.fileExists(atPath: folder) else { return folder }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in ["spotctl", "spot-optimizer-agent", "spot-optimizer-server"] {
      try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: try Program.path(of: name))
    }
    let tool = "#!/bin/sh\nexec \(LocalServices.repository)/broker/local --state \(fleet.services.state) ctl \"$@\"\n"
    try tool.write(toFile: "\(folder)/rabbitmqctl", atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/rabbitmqctl")
    return folder
  }

  /// The same shell with another meaning of some words.
  func replacing(_ more: [(String, String)]) -> GuideShell { GuideShell(variables: variables, replacements: more + replacements) }

  private init(variables: [String: String], replacements: [(String, String)]) {
    self.variables = variables
    self.replacements = replacements
  }

  private func meaning(_ words: String) -> String { replacements.reduce(words) { $0.replacingOccurrences(of: $1.0, with: $1.1) } }

  /// Types a command until it ends with exit code 0 and its answer has what the regular expression `answer` says, for a minute: figures of the broker are some seconds old. Returns
  /// what is wrong, if it does not.
  func type(_ words: String, _ answer: String) async throws -> String? {
    // A block of SQL is typed into the database's own client.
    let command = meaning(words.contains("\n") ? "mysql -h DB_HOST -u DB_USER -p DB_NAME <<'END'\n\(words)\nEND" : words)
    let expected = meaning(answer)
    var problem = ""
    do {
      try await eventually("the answer contains '\(expected)'", timeout: .seconds(60)) {
        let shell = try await Program.tool("/bin/bash", ["-c", command], environment: variables)
        let status = try await shell.waitForExit(timeout: .seconds(120))
        problem = "\(status)\n\(shell.output)"
        return status == .exited(0) && (expected.isEmpty || shell.output.range(of: expected, options: .regularExpression) != nil)
      }
      return nil
    } catch let error as TimedOut {
      return "\(error): \(problem)"
    }
  }

  /// Types a command that goes on, waits until its answer contains `answer`, and stops it. Returns what is wrong, if it does not come.
  func run(_ words: String, until answer: String) async throws -> String? {
    // In the shell's place, so that the signal reaches it.
    let program = try await Program.tool("/bin/bash", ["-c", "exec \(meaning(words))"], environment: variables)
    do {
      try await program.waitForLine(containing: meaning(answer), timeout: .seconds(60))
      program.send(SIGTERM)
      try await program.waitForExit(timeout: .seconds(60))
      return nil
    } catch let error as TimedOut {
      try await program.stop()
      return "\(error)"
    }
  }
}
