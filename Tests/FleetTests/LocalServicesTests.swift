import Foundation
import Testing
import TestSupport

/// What `broker/local` promises to the demo, the tests and the benchmarks.
@Suite struct LocalServicesTests {
  @Test func aPairAnswersOnLoopbackPortsBelowTheKernelsOwnRange() async throws {
    let services = try await LocalServices.shared()
    for port in [services.port, services.database.port] {
      #expect((12000..<32768).contains(port))
    }
    let listening = try listeners(ofProcessesIn: services.state)
    #expect(listening.count >= 4, "broker, its distribution, epmd and the database: \(listening)")
    #expect(listening.allSatisfy { $0.hasPrefix("127.0.0.1:") || $0.hasPrefix("[::1]:") }, "\(listening)")
  }

  @Test func temporaryTablesAreOutOfReachOfOtherDatabaseServersThatStart() async throws {
    let services = try await LocalServices.shared()
    // A MariaDB that starts removes whatever temporary tables it finds in its folder: in a shared /tmp, those of its neighbours.
    #expect(try await services.sql("SELECT @@tmpdir").trimmingCharacters(in: .whitespacesAndNewlines) == services.state + "/mariadb/tmp")
  }

  @Test func noPasswordIsSeenInTheProcessList() async throws {
    let services = try await LocalServices.shared()
    for command in try commandLines() {
      #expect(!command.contains(services.password) && !command.contains(services.database.password), "\(command)")
    }
    let secrets = [
      "local.json", "mariadb/client.cnf", "mariadb/init.sql", "rabbitmq/definitions/20-users.json", "keys/local-1.private.pem",
    ]
    for secret in secrets {
      let attributes = try FileManager.default.attributesOfItem(atPath: services.state + "/" + secret)
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(secret)")
    }
  }

  @Test func theBrokerHasTheTopologyTheServersLoginAndNoGuest() async throws {
    let services = try await LocalServices.shared()
    #expect(try await services.rabbitmqctl("list_users") == "spot-optimizer-server\t[]\n")
    let queues = try await services.rabbitmqctl("list_queues", "-p", services.virtualHost, "name", "type", "policy")
    for line in [
      "fleet.register\tquorum\twork", "fleet.heartbeats\tquorum\theartbeats", "fleet.results\tquorum\twork", "fleet.dead-letters\tquorum\t",
    ] {
      #expect(queues.split(separator: "\n").contains(Substring(line)), "\(queues)")
    }
    let settings = try await services.rabbitmqctl("eval", "application:get_env(rabbit, auth_backends).")
    #expect(settings.contains("rabbit_auth_backend_internal,rabbit_auth_backend_oauth2"))
  }

  @Test func aTestsDatabaseIsNewAndItsLoginReachesNoOther() async throws {
    let services = try await LocalServices.shared()
    let first = try await services.createDatabase()
    let second = try await services.createDatabase()
    #expect(first.name != second.name)
    try await services.sql("CREATE TABLE t (id INT); INSERT INTO t VALUES (7)", database: first.name)
    #expect(try await services.sql("SELECT id FROM t", database: first.name) == "7\n")
    #expect(try await services.sql("SHOW TABLES", database: second.name) == "")
    await #expect(throws: CommandFailure.self) { try await services.sql("SELECT * FROM mysql.global_priv") }
    await #expect(throws: CommandFailure.self) { try await services.sql("CREATE DATABASE somebody_elses") }
  }

  @Test func twoPairsRunSideBySideAndOneStopsWithoutATrace() async throws {
    let shared = try await LocalServices.shared()
    let other = try await LocalServices.separate()
    #expect(Set([shared.port, shared.database.port, other.port, other.database.port]).count == 4)

    let data = try await other.createDatabase()
    try await other.restartBroker()
    try await other.stopDatabase()
    await #expect(throws: CommandFailure.self) { try await other.sql("SELECT 1", database: data.name) }
    try await other.startDatabase()
    #expect(try await other.sql("SELECT 1", database: data.name) == "1\n")

    let again = try await Program.tool(LocalServices.repository + "/broker/local", ["start", other.state])
    #expect(try await again.waitForExit() == .exited(0))
    #expect(again.output.contains("already running"))

    try await other.stop()
    #expect(try processes(of: other.state) == [])
    #expect(!FileManager.default.fileExists(atPath: other.state))
    #expect(try await shared.sql("SELECT 1") == "1\n")
  }

  @Test func whatATestStartedEndsWhenItCrashes() async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/spot-optimizer-watch-\(UUID().uuidString)"
    // A stand-in for the test process: it starts a pair, says so and is killed.
    let starter = try await Program.tool(
      "/bin/bash",
      [
        "-c", "\"$0\" start \"$1\" --watch $$ --purge && echo started && exec sleep 600", LocalServices.repository + "/broker/local",
        folder,
      ])
    try await starter.waitForLine(containing: "started", timeout: .seconds(120))
    #expect(try !processes(of: folder).isEmpty)
    starter.send(SIGKILL)
    try await eventually("everything has ended", timeout: .seconds(60)) {
      try processes(of: folder).isEmpty && !FileManager.default.fileExists(atPath: folder)
    }
  }

  @Test func aStartThatIsInterruptedLeavesNoProcess() async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/spot-optimizer-interrupt-\(UUID().uuidString)"
    let tool = LocalServices.repository + "/broker/local"
    // A shell interrupts it, in a process group of its own (-m): this process may be too busy to do that before the start is done.
    let script = """
      set -m
      "$0" start "$1" --watch "$2" --purge & start=$!
      until [ -e "$1/rabbitmq/rabbitmq.pid" ]; do sleep 0.02; done
      kill -INT "$start"
      wait "$start"
      """
    let start = try await Program.tool("/bin/bash", ["-c", script, tool, folder, String(getpid())])
    #expect(try await start.waitForExit(timeout: .seconds(60)) == .exited(130), "\(start.output)")
    #expect(try processes(of: folder) == [])
    let stop = try await Program.tool(tool, ["stop", folder, "--purge"])
    #expect(try await stop.waitForExit() == .exited(0), "\(stop.output)")
  }

  @Test func aFolderOfSomebodyElseIsLeftAlone() async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/spot-optimizer-foreign-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // Nothing depends on it.
    try Data("precious".utf8).write(to: URL(fileURLWithPath: folder + "/thesis.txt"))
    let start = try await Program.tool(LocalServices.repository + "/broker/local", ["start", folder])
    #expect(try await start.waitForExit() == .exited(1))
    #expect(start.output.contains("is not a state folder"))
    let stop = try await Program.tool(LocalServices.repository + "/broker/local", ["stop", "--purge", folder])
    #expect(try await stop.waitForExit() == .exited(0))
    #expect(FileManager.default.fileExists(atPath: folder + "/thesis.txt"))
  }

  // MARK: - Looking at the system from outside

  private func processIDs() throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap(Int32.init)
  }

  /// Processes may end while they are looked at; those are skipped.
  private func commandLines() throws -> [String] {
    try processIDs().compactMap { try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8) }
  }

  /// Everything that runs with the state folder as working directory or names it in its arguments.
  private func processes(of folder: String) throws -> [String] {
    try processIDs().compactMap { pid in
      // Processes may end while they are looked at; those are skipped.
      let directory = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")
      let command = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
      // A server in a change root has that before the folder's path.
      guard directory?.hasSuffix(folder) == true || command.contains(folder), !command.contains("sleep") else { return nil }
      return "\(pid) \(command.split(separator: "\0").joined(separator: " "))"
    }
  }

  /// Addresses on which those processes listen.
  private func listeners(ofProcessesIn folder: String) throws -> [String] {
    let ids = try processes(of: folder).compactMap { $0.split(separator: " ").first }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["ss", "-Hltnp"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return output.split(separator: "\n").filter { line in ids.contains { line.contains("pid=\($0),") } }
      .compactMap { line in line.split(separator: " ").dropFirst(3).first.map(String.init) }
  }
}
