import Glibc
import ServiceRuntime

/// The folder of signing keys (`SPOT_OPTIMIZER_KEYS_DIR`): pairs `<kid>.private.pem` and `<kid>.public.pem`, and the file `current`.
///
/// `current` holds the id of the key that signs; without it there must be exactly one private key. Every `<kid>.public.pem` is
/// meant for the broker, so a key is replaced in four steps that never refuse a valid credential: create the new pair, give the broker
/// both public keys, make the new one current, and take the old one away when the last credential it signed has expired.
public struct KeyRing: Sendable {
  /// The name of the file that says which key signs.
  public static let currentName = "current"
  static let privateSuffix = ".private.pem"
  static let publicSuffix = ".public.pem"

  /// The key that signs.
  public let current: CredentialKey
  /// The ids of all keys whose public half lies in the folder, sorted: those that the broker should accept.
  public let acceptedKeyIDs: [String]

  /// Reads a folder.
  public init(folder: String) throws(ConfigurationError) {
    let names = try Self.names(in: folder)
    let privateIDs = Self.keyIDs(names, suffix: Self.privateSuffix)
    acceptedKeyIDs = Self.keyIDs(names, suffix: Self.publicSuffix)
    let keyID: String
    if names.contains(Self.currentName) {
      let path = "\(folder)/\(Self.currentName)"
      keyID = String(decoding: try KeyFile.read(path, secret: false), as: UTF8.self).trimmingWhitespace()
      guard privateIDs.contains(keyID) else {
        throw ConfigurationError(
          name: path, problem: "names the key '\(shown(keyID))', which has no file \(shown(keyID))\(Self.privateSuffix) beside it",
          remedy: privateIDs.isEmpty
            ? "create a key with: spotctl keys create" : "write one of these into it: \(privateIDs.joined(separator: ", "))")
      }
    } else {
      guard let only = privateIDs.first else {
        throw ConfigurationError(
          name: folder, problem: "holds no signing key (a file <key id>\(Self.privateSuffix))",
          remedy: "create one with: spotctl keys create")
      }
      guard privateIDs.count == 1 else {
        throw ConfigurationError(
          name: folder,
          problem: "holds \(privateIDs.count) signing keys (\(privateIDs.joined(separator: ", "))) and no file '\(Self.currentName)'",
          remedy: "write the id of the one that is to sign into \(folder)/\(Self.currentName)")
      }
      keyID = only
    }
    current = try CredentialKey(keyID: keyID, privateKeyFile: CredentialKey.privateKeyPath(keyID, folder: folder))
  }

  /// Makes the folder if need be (mode 700) and a new pair in it; the first pair becomes current. Returns the public key's path.
  @discardableResult
  public static func createKey(_ keyID: String, bits: Int = 2048, folder: String) throws(ConfigurationError) -> String {
    if mkdir(folder, 0o700) != 0 && errno != EEXIST {
      throw KeyFile.failure(folder, "cannot be created", remedy: "check that the folder above it exists and that this user may write to it")
    }
    let names = try names(in: folder)
    try CredentialKey.generate(keyID: keyID, bits: bits, folder: folder)
    let others = keyIDs(names, suffix: privateSuffix)
    if !names.contains(currentName) {
      // With one older key it has been signing without being named; it goes on until somebody says otherwise.
      if others.count <= 1 { try makeCurrent(others.first ?? keyID, folder: folder) }
    }
    return CredentialKey.publicKeyPath(keyID, folder: folder)
  }

  /// Makes a key of the folder the one that signs, in one step; servers take it up when they read the folder again.
  public static func makeCurrent(_ keyID: String, folder: String) throws(ConfigurationError) {
    _ = try CredentialKey(keyID: keyID, privateKeyFile: CredentialKey.privateKeyPath(keyID, folder: folder))
    try KeyFile.replace("\(folder)/\(currentName)", Array("\(keyID)\n".utf8), mode: 0o644)
    try KeyFile.syncFolder(folder)
  }

  private static func keyIDs(_ names: [String], suffix: String) -> [String] {
    names.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }.filter { CredentialKey.isKeyID($0) }.sorted()
  }

  private static func names(in folder: String) throws(ConfigurationError) -> [String] {
    guard let stream = opendir(folder) else {
      throw KeyFile.failure(
        folder, "cannot be opened",
        remedy: "set SPOT_OPTIMIZER_KEYS_DIR to the folder of the signing keys, or create one with: spotctl keys create")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } })
    }
    return names
  }
}
