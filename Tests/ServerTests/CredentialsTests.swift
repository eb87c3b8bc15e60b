import FleetProtocol
import Glibc
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

@Suite struct CredentialsTests {
  @Test func theDeskSignsWithTheCurrentKeyForWhomItIs() async throws {
    let folder = try temporaryFolder()
    defer { removeFolder(folder) }
    try KeyRing.createKey("one", folder: folder)
    let desk = try CredentialDesk(
      keysDirectory: folder,
      terms: CredentialDesk.Terms(
        brokers: ["amqp://a:1", "amqps://b:2"], virtualHost: "v", lifetime: .seconds(600), heartbeatInterval: .seconds(7)),
      logger: Logger(level: .error) { _ in })
    let now = Timestamp(seconds: 1_800_000_000)
    let reply = try desk.reply(for: try AgentAddress(clientID: "c1", logicalAgentID: "a1"), now: now)
    #expect(reply.brokers == ["amqp://a:1", "amqps://b:2"] && reply.vhost == "v" && reply.username == "c1.a1" && reply.serverTime == now)
    #expect(reply.expiresAt == now.advanced(by: .seconds(600)) && reply.credentialTTLSeconds == 600 && reply.heartbeatIntervalSeconds == 7)
    let claims = try CredentialClaims(unverified: reply.credential)
    #expect(claims.keyID == "one" && claims.subject == "c1.a1" && claims.issuedAt == now && claims.expiresAt == reply.expiresAt)
    try reply.validate()
  }

  @Test func aFolderWithoutAKeyStopsTheStartAndSaysHowToMakeOne() throws {
    let folder = try temporaryFolder()
    defer { removeFolder(folder) }
    let terms = CredentialDesk.Terms(brokers: [], virtualHost: "v", lifetime: .seconds(60), heartbeatInterval: .seconds(1))
    for path in [folder, folder + "/nothing"] {
      #expect {
        _ = try CredentialDesk(keysDirectory: path, terms: terms, logger: Logger(level: .error) { _ in })
      } throws: {
        "\($0)".contains("spotctl keys create") && "\($0)".contains(path)
      }
    }
  }
}

/// A folder of its own for one test.
func temporaryFolder() throws -> String {
  var template = Array("/tmp/spot-optimizer-test-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw NoFolder() }
  return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Removes a folder of files.
func removeFolder(_ path: String) {
  guard let stream = opendir(path) else { return }
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    unlink("\(path)/\(name)")
  }
  closedir(stream)
  rmdir(path)
}

struct NoFolder: Error {}
