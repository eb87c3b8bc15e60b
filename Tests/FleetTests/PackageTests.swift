import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// script/package, from the programs of this build: what dpkg installs from it, and that it takes all of it away again.
@Suite struct PackageTests {
  @Test func packagesInstallWhatTheyPromiseAndPurgeTakesAllOfItAway() async throws {
    let folder = NSTemporaryDirectory() + "spot-optimizer-package-\(UUID().uuidString)"
    let programs = String(try Program.path(of: "spotctl").dropLast("/spotctl".count))
    let root = "\(folder)/root"
    try FileManager.default.createDirectory(atPath: "\(root)/var/lib/dpkg", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // Only litter is left if it fails.
    try "".write(toFile: "\(root)/var/lib/dpkg/status", atomically: true, encoding: .utf8)

    _ = try await run("\(LocalServices.repository)/script/package", "--programs", programs, "--development", "--output", folder)
    let packages = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".deb") }.sorted()
    try #require(packages.count == 2 && packages[0].hasPrefix("spot-optimizer-agent_\(programVersion)-1"), "\(packages)")

    let dpkg = ["--root=\(root)", "--force-not-root", "--force-script-chrootless", "--force-depends", "--log=\(folder)/dpkg.log"]
    _ = try await run("dpkg", dpkg + ["-i"] + packages.map { "\(folder)/\($0)" })
    for name in ["agent", "server"] {
      #expect(try mode("\(root)/etc/spot-optimizer/\(name).env") == 0o600)
      let unit = "\(root)/lib/systemd/system/spot-optimizer-\(name).service"
      #expect(try mode(unit) == 0o644)
      // systemd looks for the program, so the unit is asked with this build's.
      let text = try String(contentsOfFile: unit, encoding: .utf8).replacing("/usr/bin/", with: "\(root)/usr/bin/")
      let copy = "\(folder)/spot-optimizer-\(name).service"
      try text.write(toFile: copy, atomically: true, encoding: .utf8)
      let said = try await run(
        "/bin/sh", "-c",
        "command -v systemd-analyze >/dev/null || exit 0; systemd-analyze verify --man=no '\(copy)' 2>&1 | grep -F spot-optimizer-\(name).service || true"
      )
      #expect(said.isEmpty, "\(said)")
      // This machine does not know the user that the package makes.
      let rotation = try String(contentsOfFile: "\(root)/etc/logrotate.d/spot-optimizer-\(name)", encoding: .utf8)
      #expect(rotation.contains("--signal=HUP spot-optimizer-\(name).service"))
      try rotation.replacing(/create 0640 \S+ adm/, with: "create 0640 root root")
        .write(toFile: "\(folder)/rotation", atomically: true, encoding: .utf8)
      _ = try await run("/bin/sh", "-c", "command -v logrotate >/dev/null || exit 0; logrotate --debug '\(folder)/rotation' 2>&1")
    }
    #expect(try mode("\(root)/etc/spot-optimizer/keys") == 0o700)
    for file in ["alerts.yml", "scrape.yml", "fleet.json", "broker/rabbitmq.conf", "broker/enabled_plugins", "broker/definitions.json"] {
      #expect(try mode("\(root)/usr/share/doc/spot-optimizer-server/examples/\(file)") == 0o644)
    }
    for program in ["spot-optimizer-agent", "spot-optimizer-server", "spotctl"] {
      #expect(try await run("\(root)/usr/bin/\(program)", "--version") == "\(program) \(programVersion)")
      let section = program == "spotctl" ? 1 : 8
      #expect(try await run("/bin/sh", "-c", "zcat \(root)/usr/share/man/man\(section)/\(program).\(section).gz").contains(".SH NAME"))
      for path in [
        "bash-completion/completions/\(program)", "zsh/vendor-completions/_\(program)", "fish/vendor_completions.d/\(program).fish",
      ] {
        #expect(try mode("\(root)/usr/share/\(path)") == 0o644)
      }
    }

    // What removing leaves is the operator's: configuration and keys.
    try "secret".write(toFile: "\(root)/etc/spot-optimizer/keys/key-1.private.pem", atomically: true, encoding: .utf8)
    _ = try await run("dpkg", dpkg + ["-r", "spot-optimizer-agent", "spot-optimizer-server"])
    #expect(!FileManager.default.fileExists(atPath: "\(root)/usr/bin/spotctl"))
    #expect(FileManager.default.fileExists(atPath: "\(root)/etc/spot-optimizer/keys/key-1.private.pem"))
    #expect(FileManager.default.fileExists(atPath: "\(root)/etc/spot-optimizer/agent.env"))
    _ = try await run("dpkg", dpkg + ["-P", "spot-optimizer-agent", "spot-optimizer-server"])
    let left = try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.contains("spot") && !$0.hasPrefix("var/lib/dpkg") }
    #expect(left.isEmpty, "\(left)")
  }

  @Test func programsThatNeedASwiftRuntimeAreNotPackedForOthers() async throws {
    let programs = String(try Program.path(of: "spotctl").dropLast("/spotctl".count))
    let folder = NSTemporaryDirectory() + "spot-optimizer-package-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }  // Only litter is left if it fails.
    let refused = try await Program.tool("\(LocalServices.repository)/script/package", ["--programs", programs, "--output", folder])
    #expect(try await refused.waitForExit(timeout: .seconds(60)) == .exited(1))
    #expect(refused.output.contains("the programs need a Swift runtime") && refused.output.contains("--static-swift-stdlib"))
  }

  private func run(_ program: String, _ arguments: String...) async throws -> String { try await run(program, arguments) }

  private func run(_ program: String, _ arguments: [String]) async throws -> String {
    let run = try await Program.tool(
      program, arguments, environment: ["PATH": "\(ProcessInfo.processInfo.environment["PATH"] ?? ""):/usr/sbin:/sbin"])
    let status = try await run.waitForExit(timeout: .seconds(600))
    try #require(status == .exited(0), "\(program) \(arguments): \(status)\n\(run.output)")
    return run.output
  }

  private func mode(_ path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int ?? 0
  }
}
