import FleetProtocol
import Foundation
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct CredentialStoreTests {
  private func store(_ folder: String, server: String = "http://server:5000", token: String = "token-1", id: String = "a1") throws
    -> CredentialStore
  {
    try CredentialStore(
      StateFolder(path: folder), serverURL: ServerURL(server, name: "U"), token: ClientToken(token, name: "T"), logicalAgentID: id)
  }

  private func reply(_ credential: String) throws -> CredentialReply {
    let now = Timestamp(seconds: 1_800_000_000)
    return CredentialReply(
      address: try AgentAddress(clientID: "c1", logicalAgentID: "a1"), brokers: ["amqp://broker:5672"], vhost: "spot-optimizer",
      credential: credential, expiresAt: now.advanced(by: .seconds(86_400)), heartbeatIntervalSeconds: 30, credentialTTLSeconds: 86_400,
      serverTime: now)
  }

  @Test func whatWasSavedIsLoadedAndTheNewestCounts() throws {
    let folder = temporaryFolder()
    let store = try store(folder)
    #expect(store.load() == .nothing)
    try store.save(reply("first"))
    try store.save(reply("second"))
    #expect(store.load() == .credential(try reply("second")))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1, "nothing is left of the writing")
    #expect(try FileManager.default.attributesOfItem(atPath: store.path)[.posixPermissions] as? Int == 0o600)
  }

  @Test func serverTokenAndNameEachHaveAFileOfTheirOwn() throws {
    let folder = temporaryFolder()
    try store(folder).save(reply("mine"))
    #expect(try store(folder, server: "http://other:5000").load() == .nothing)
    #expect(try store(folder, token: "token-2").load() == .nothing)
    #expect(try store(folder, id: "a2").load() == .nothing)
    #expect(try !store(folder).path.contains("token-1"))
  }

  @Test func aDamagedFileIsToldAndNotUsed() throws {
    let store = try store(temporaryFolder())
    try store.save(reply("credential"))
    let whole = try Data(contentsOf: URL(fileURLWithPath: store.path))
    let damaged = [
      Data(), Data(whole.prefix(10)), Data(whole.prefix(whole.count - 1)), Data([0x0a]), Data(repeating: 0xff, count: 1 << 20),
    ]
    for bytes in damaged {
      try bytes.write(to: URL(fileURLWithPath: store.path))
      guard case .unusable(let reason) = store.load() else { return #expect(Bool(false), "\(bytes.count) bytes were taken") }
      #expect(reason.contains(store.path) && !reason.contains("credential\""))
    }
    // A file moved into the place of another one does not verify either.
    let other = try CredentialStoreTests().store(temporaryFolder(), id: "a2")
    try whole.write(to: URL(fileURLWithPath: other.path))
    guard case .unusable = other.load() else { return #expect(Bool(false), "another agent's file was taken") }
  }

  @Test func aLinkOrFolderInTheFilesPlaceIsNotFollowed() throws {
    let store = try store(temporaryFolder())
    try FileManager.default.createSymbolicLink(atPath: store.path, withDestinationPath: "/etc/hostname")
    guard case .unusable = store.load() else { return #expect(Bool(false)) }
    try store.save(reply("credential"))
    #expect(store.load() == .credential(try reply("credential")))
  }
}
