import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl keys …`: needs neither database nor broker.
struct KeyCommands {
  let environment: Environment
  let terminal: Terminal

  func create(_ invocation: Invocation) throws {
    let folder = invocation.values["--dir"] ?? ServerConfiguration.keysDirectory(environment)
    let id = invocation.values["--id"] ?? Self.newID(.now())
    let publicKey: String
    let ring: KeyRing
    do throws(ConfigurationError) {
      publicKey = try KeyRing.createKey(id, folder: folder)
      ring = try KeyRing(folder: folder)
    } catch {
      throw Failure(.failed, "\(error)")
    }
    var record = Record()
    record.add("key_id", .text(id), listed: true)
    record.add("is_current", .bool(ring.current.keyID == id), listed: true)
    record.add("private_key", .text(CredentialKey.privateKeyPath(id, folder: folder)), listed: true)
    record.add("public_key", .text(publicKey), listed: true)
    try terminal.show(record)
    terminal.remark("give the broker the public key: auth_oauth2.signing_keys.\(id) = \(publicKey)")
    if ring.current.keyID != id {
      terminal.remark(
        "'\(ring.current.keyID)' goes on signing; when the broker has the new key, write '\(id)' into \(folder)/\(KeyRing.currentName)")
    }
  }

  /// `key-20261124-231502`, in UTC: sorts by age and fits a line of rabbitmq.conf.
  static func newID(_ now: Timestamp) -> String {
    let digits = now.sqlText.filter(\.isNumber)
    return "key-\(digits.prefix(8))-\(digits.dropFirst(8).prefix(6))"
  }
}
