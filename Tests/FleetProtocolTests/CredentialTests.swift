import FleetProtocol
import Foundation
import ServiceRuntime
import Testing

@Suite("Credentials and their keys") struct CredentialTests {
  private func problem(_ folder: String) -> ConfigurationError? {
    #expect(throws: ConfigurationError.self) { try KeyRing(folder: folder) }
  }

  @Test("A credential's signature holds for openssl with the public key, and its claims are those of the design") func signed() throws {
    let folder = try TemporaryFolder()
    let publicKey = try KeyRing.createKey("2026-a", folder: folder.path)
    let ring = try KeyRing(folder: folder.path)
    let address = try AgentAddress(clientID: "c.1", logicalAgentID: "a1")
    let issued = Timestamp(milliseconds: 1_769_837_207_999)
    let (token, expiresAt) = try Credential.issue(
      for: address, virtualHost: "spot-optimizer", key: ring.current, issuedAt: issued, lifetime: .seconds(86_400))
    #expect(expiresAt == Timestamp(seconds: 1_769_837_207 + 86_400))

    let parts = token.split(separator: ".")
    try #require(parts.count == 3)
    try Data((parts[0] + "." + parts[1]).utf8).write(to: URL(fileURLWithPath: "\(folder.path)/input"))
    try decoded(parts[2]).write(to: URL(fileURLWithPath: "\(folder.path)/signature"))
    let verdict = try run(
      "openssl", ["dgst", "-sha256", "-verify", publicKey, "-signature", "\(folder.path)/signature", "\(folder.path)/input"])
    #expect(verdict.contains("Verified OK"))

    let header = try WireCoding.decodeJSON(JSONValue.self, from: [UInt8](decoded(parts[0])))
    #expect(header == ["alg": "RS256", "typ": "JWT", "kid": "2026-a"])
    let claims = try WireCoding.decodeJSON(JSONValue.self, from: [UInt8](decoded(parts[1])))
    #expect(claims["iss"] == "spot-optimizer-server")
    #expect(claims["sub"] == "c%2E1.a1")
    #expect(claims["aud"] == "spot-optimizer")
    #expect(claims["iat"] == 1_769_837_207)
    #expect(claims["exp"] == 1_769_923_607)
    guard case .string(let id)? = claims["jti"] else { return #expect(Bool(false), "no jti") }
    #expect(id.count == 32)

    let read = try CredentialClaims(unverified: token)
    #expect(read.keyID == "2026-a")
    #expect(read.subject == "c%2E1.a1")
    #expect(read.expiresAt == expiresAt)
    #expect(read.issuedAt == Timestamp(seconds: 1_769_837_207))
    #expect(read.scopes == Credential.scopes(for: address, virtualHost: "spot-optimizer"))
    let second = try Credential.issue(
      for: address, virtualHost: "spot-optimizer", key: ring.current, issuedAt: issued, lifetime: .seconds(1))
    #expect(second.token != token)
  }

  private func decoded(_ part: Substring) throws -> Data {
    let text = part.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
    return try #require(Data(base64Encoded: text + String(repeating: "=", count: (4 - text.count % 4) % 4)))
  }

  @Test("Scopes are exact, and each part is encoded once more") func scopes() throws {
    #expect(
      Credential.scopes(for: try AgentAddress(clientID: "c1", logicalAgentID: "a1"), virtualHost: "spot-optimizer") == [
        "spot-optimizer.write:spot-optimizer/fleet.inbox/register.c1.a1",
        "spot-optimizer.write:spot-optimizer/fleet.inbox/heartbeat.c1.a1",
        "spot-optimizer.write:spot-optimizer/fleet.inbox/result.c1.a1",
        "spot-optimizer.write:spot-optimizer/fleet.inbox/output.c1.a1",
        "spot-optimizer.write:spot-optimizer/fleet.inbox/notice.c1.a1",
        "spot-optimizer.read:spot-optimizer/agent.c1.a1.*",
      ])
    let hostile = Credential.scopes(for: try AgentAddress(clientID: "*", logicalAgentID: "a.b/*"), virtualHost: "/*")
    #expect(hostile[1] == "spot-optimizer.write:%2F%2A/fleet.inbox/heartbeat.%252A.a%252Eb%252F%252A")
    #expect(hostile[5] == "spot-optimizer.read:%2F%2A/agent.%252A.a%252Eb%252F%252A.*")
  }

  @Test("Files: the private half is for its owner only, the public half for everyone, and none is overwritten") func files() throws {
    let folder = try TemporaryFolder()
    try KeyRing.createKey("k1", folder: folder.path)
    #expect(try folder.mode("k1.private.pem") == 0o600)
    #expect(try folder.mode("k1.public.pem") == 0o644)
    let before = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/k1.private.pem"))
    let error = #expect(throws: ConfigurationError.self) { try KeyRing.createKey("k1", folder: folder.path) }
    #expect(error?.name.hasSuffix("k1.private.pem") == true)
    #expect(try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/k1.private.pem")) == before)

    // A public half in the way: the private half that was just made goes away again.
    try Data("x".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/k2.public.pem"))
    #expect(throws: ConfigurationError.self) { try CredentialKey.generate(keyID: "k2", folder: folder.path) }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/k2.private.pem"))
  }

  @Test("Two keys live side by side: the old one signs until the new one is made current") func rotation() throws {
    let folder = try TemporaryFolder()
    try KeyRing.createKey("old", folder: folder.path)
    try KeyRing.createKey("new", folder: folder.path)
    var ring = try KeyRing(folder: folder.path)
    #expect(ring.current.keyID == "old")
    #expect(ring.acceptedKeyIDs == ["new", "old"])
    try KeyRing.makeCurrent("new", folder: folder.path)
    ring = try KeyRing(folder: folder.path)
    #expect(ring.current.keyID == "new")
    #expect(
      try ring.current.publicPEM() == String(contentsOfFile: CredentialKey.publicKeyPath("new", folder: folder.path), encoding: .utf8))
    #expect(throws: ConfigurationError.self) { try KeyRing.makeCurrent("other", folder: folder.path) }
    #expect(try KeyRing(folder: folder.path).current.keyID == "new")
  }

  @Test("A pair made by openssl and a folder without 'current' work, for one key") func opensslKey() throws {
    let folder = try TemporaryFolder()
    _ = try run("openssl", ["genrsa", "-out", "\(folder.path)/k.private.pem", "2048"])
    _ = try run("chmod", ["600", "\(folder.path)/k.private.pem"])
    #expect(try KeyRing(folder: folder.path).current.keyID == "k")
    try KeyRing.createKey("k2", folder: folder.path)
    #expect(try KeyRing(folder: folder.path).current.keyID == "k")
    try FileManager.default.removeItem(atPath: "\(folder.path)/current")
    #expect(problem(folder.path)?.description.contains("2 signing keys (k, k2)") == true)
  }

  @Test("Every way in which a folder of keys can be wrong is named with its remedy") func badFolders() throws {
    let folder = try TemporaryFolder()
    // The optimizer may end the folder with its last mention, which removes it.
    defer { withExtendedLifetime(folder) {} }
    let path = folder.path
    #expect(problem("\(path)/none")?.description.contains("[Errno 2]") == true)
    #expect(problem(path)?.description.contains("holds no signing key") == true)

    try Data("gone\n".utf8).write(to: URL(fileURLWithPath: "\(path)/current"))
    #expect(problem(path)?.description.contains("names the key 'gone'") == true)
    try FileManager.default.removeItem(atPath: "\(path)/current")

    func put(_ text: String, mode: Int = 0o600) throws {
      let file = "\(path)/k.private.pem"
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    }
    try put("not a key")
    #expect(problem(path)?.problem.contains("no private key in PEM form") == true)
    try put("")
    #expect(problem(path)?.problem.contains("no private key in PEM form") == true)
    try put(String(repeating: "A", count: 70_000))
    #expect(problem(path)?.problem.contains("longer than") == true)
    try put(try run("openssl", ["genrsa", "1024"]).pem)
    #expect(problem(path)?.problem.contains("1024 bits") == true)
    try put(try run("openssl", ["genpkey", "-algorithm", "ED25519"]).pem)
    #expect(problem(path)?.problem.contains("not RSA") == true)
    try put(try run("openssl", ["genrsa", "-aes128", "-passout", "pass:x", "2048"]).pem)
    #expect(problem(path)?.problem.contains("encrypted") == true)
    try put(try run("openssl", ["genrsa", "2048"]).pem, mode: 0o640)
    let open = problem(path)
    #expect(open?.problem.contains("mode 640") == true)
    #expect(open?.remedy == "run: chmod 600 \(path)/k.private.pem")
    try FileManager.default.removeItem(atPath: "\(path)/k.private.pem")
    try FileManager.default.createDirectory(atPath: "\(path)/k.private.pem", withIntermediateDirectories: false)
    #expect(problem(path)?.problem == "is no regular file")
  }

  @Test("A key id that is no plain word is refused", arguments: ["", "a/b", "..", "a.b", "a b", String(repeating: "k", count: 65)])
  func badKeyID(_ keyID: String) throws {
    let folder = try TemporaryFolder()
    #expect(throws: ConfigurationError.self) { try KeyRing.createKey(keyID, folder: folder.path) }
  }

  @Test("A key too short or too long is not made", arguments: [0, 1024, 2047, 8193]) func badLength(_ bits: Int) throws {
    let folder = try TemporaryFolder()
    #expect(throws: ConfigurationError.self) { try KeyRing.createKey("k", bits: bits, folder: folder.path) }
  }

  @Test(
    "What is no credential is refused without being shown",
    arguments: [
      "", "secret", "secret.secret.secret", "e30.e30.", "e30.e30.e30", "a.b.c.d", "e30.e30", "%%%.%%%.%%%", "e31.e30.e30",
      "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiayJ9.eyJleHAiOjFlOTl9.e30",
    ])
  func badToken(_ token: String) {
    let error = #expect(throws: MessageError.self) { try CredentialClaims(unverified: token) }
    #expect(error?.description.contains("secret") == false)
  }

  @Test("A credential's time far outside any calendar is refused, not a trap") func hugeExpiry() {
    let payload = #"{"iss":"i","sub":"s","aud":"a","iat":1,"exp":9223372036854775807,"jti":"j","scope":[]}"#
    let text = Data(payload.utf8).base64EncodedString().replacingOccurrences(of: "=", with: "")
    #expect(throws: MessageError.self) {
      try CredentialClaims(unverified: "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiayJ9.\(text).e30")
    }
  }

  @Test("Several threads sign with one key at once") func threads() async throws {
    let folder = try TemporaryFolder()
    try KeyRing.createKey("k", folder: folder.path)
    let key = try KeyRing(folder: folder.path).current
    let address = try AgentAddress(clientID: "c", logicalAgentID: "a")
    try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try Credential.issue(for: address, virtualHost: "v", key: key, issuedAt: .now(), lifetime: .seconds(60)).token
        }
      }
      var tokens: Set<String> = []
      for try await token in group { tokens.insert(token) }
      #expect(tokens.count == 50)
    }
  }
}

extension String {
  /// From the first line of PEM on: openssl talks before it on some machines.
  fileprivate var pem: String { range(of: "-----BEGIN").map { String(self[$0.lowerBound...]) } ?? self }
}
