import CCrypto
import Glibc
import ServiceRuntime

/// An RSA private key that signs credentials, with the id under which the broker holds its public half.
///
/// Signing may be done from several threads at once.
public final class CredentialKey: Sendable {
  /// Shortest key that is accepted, in bits (RFC 7518 section 3.3).
  public static let leastBits = 2048
  /// Longest, in bits: a signature's time grows with the cube.
  public static let mostBits = 8192

  /// The key id, in the header of every credential and in the broker's `auth_oauth2.signing_keys.<kid>`.
  public let keyID: String
  private let key: KeyHandle

  private init(keyID: String, key: consuming KeyHandle) {
    self.keyID = keyID
    self.key = key
  }

  /// Loads a PEM file, which must hold an unencrypted RSA key of at least 2048 bits and be readable by its owner only.
  public convenience init(keyID: String, privateKeyFile path: String) throws(ConfigurationError) {
    try Self.check(keyID)
    var pem = try KeyFile.read(path, secret: true)
    defer { OPENSSL_cleanse(&pem, pem.count) }
    guard let pointer = spot_read_private_key(pem, Int32(pem.count)) else {
      ERR_clear_error()
      throw ConfigurationError(
        name: path, problem: "holds no private key in PEM form, or an encrypted one",
        remedy: "create one with: spotctl keys create, or: openssl genrsa -out \(path) 2048")
    }
    let key = KeyHandle(owning: pointer)
    guard key.isRSA else {
      throw ConfigurationError(name: path, problem: "holds a key that is not RSA", remedy: "create one with: spotctl keys create")
    }
    guard key.bits >= Self.leastBits else {
      throw ConfigurationError(
        name: path, problem: "holds a key of \(key.bits) bits, which is too short",
        remedy: "create one of at least \(Self.leastBits) bits with: spotctl keys create")
    }
    self.init(keyID: keyID, key: key)
  }

  /// Makes a new pair, `<kid>.private.pem` (mode 600) and `<kid>.public.pem` (mode 644), in a folder that must exist; neither file
  /// may exist yet. Both are on disk when it returns; on failure neither is there.
  public static func generate(keyID: String, bits: Int = 2048, folder: String) throws(ConfigurationError) {
    try check(keyID)
    guard (leastBits...mostBits).contains(bits) else {
      throw ConfigurationError(name: "bits", problem: "is \(bits), which is out of range", remedy: "choose \(leastBits) to \(mostBits)")
    }
    guard let pointer = spot_rsa_generate(bits) else { throw broken("generating a key") }
    let key = KeyHandle(owning: pointer)
    var secret = try key.privatePEM()
    defer { OPENSSL_cleanse(&secret, secret.count) }
    let open = try key.publicPEM()
    let privatePath = privateKeyPath(keyID, folder: folder)
    let publicPath = publicKeyPath(keyID, folder: folder)
    try KeyFile.create(privatePath, secret, mode: 0o600)
    do throws(ConfigurationError) {
      try KeyFile.create(publicPath, open, mode: 0o644)
    } catch {
      unlink(privatePath)
      throw error
    }
    try KeyFile.syncFolder(folder)
  }

  /// Where the private half of a key lies.
  public static func privateKeyPath(_ keyID: String, folder: String) -> String { "\(folder)/\(keyID)\(KeyRing.privateSuffix)" }
  /// Where the public half of a key lies, for the broker.
  public static func publicKeyPath(_ keyID: String, folder: String) -> String { "\(folder)/\(keyID)\(KeyRing.publicSuffix)" }

  /// The public half in PEM form.
  public func publicPEM() throws(ConfigurationError) -> String { String(decoding: try key.publicPEM(), as: UTF8.self) }

  /// A signature by RSASSA-PKCS1-v1_5 with SHA-256 (RS256).
  func sign(_ input: [UInt8]) throws(CryptoError) -> [UInt8] { try key.sign(input) }

  static func isKeyID(_ text: some StringProtocol) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(PercentEncoding.isPlain)
  }

  static func check(_ keyID: String) throws(ConfigurationError) {
    guard isKeyID(keyID) else {
      throw ConfigurationError(
        name: "key id", problem: "is '\(shown(keyID))', which cannot name a file and a line of rabbitmq.conf",
        remedy: "use 1 to 64 of A-Z a-z 0-9 - _")
    }
  }

  static func broken(_ attempt: String) -> ConfigurationError {
    ConfigurationError(name: "libcrypto", problem: "\(CryptoError(attempt))", remedy: "check the installation of OpenSSL 3")
  }
}

/// The one owner of an `EVP_PKEY`, freed once.
///
/// `@unchecked Sendable`: the key is not changed after it was made, and OpenSSL allows an unchanged key to be used by several threads at
/// once (openssl-threads(7)); each signature has a context of its own.
private struct KeyHandle: ~Copyable, @unchecked Sendable {
  private let pointer: OpaquePointer

  init(owning pointer: OpaquePointer) { self.pointer = pointer }

  var isRSA: Bool { spot_is_rsa(pointer) == 1 }
  var bits: Int { Int(EVP_PKEY_get_bits(pointer)) }

  borrowing func privatePEM() throws(ConfigurationError) -> [UInt8] {
    try pem { PEM_write_bio_PKCS8PrivateKey($0, $1, nil, nil, 0, nil, nil) }
  }

  borrowing func publicPEM() throws(ConfigurationError) -> [UInt8] { try pem { PEM_write_bio_PUBKEY($0, $1) } }

  private borrowing func pem(_ write: (OpaquePointer, OpaquePointer) -> Int32) throws(ConfigurationError) -> [UInt8] {
    // Secure memory is wiped when it is freed.
    guard let bio = BIO_new(BIO_s_secmem()) else { throw CredentialKey.broken("writing a key") }
    defer { BIO_free(bio) }
    guard write(bio, pointer) == 1 else { throw CredentialKey.broken("writing a key") }
    var data: UnsafeMutablePointer<CChar>?
    let count = spot_bio_data(bio, &data)
    return Array(UnsafeRawBufferPointer(start: data, count: count))
  }

  borrowing func sign(_ input: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard let context = EVP_MD_CTX_new() else { throw CryptoError("signing") }
    defer { EVP_MD_CTX_free(context) }
    var signature = [UInt8](repeating: 0, count: Int(EVP_PKEY_get_size(pointer)))
    var length = signature.count
    guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, pointer) == 1,
      EVP_DigestSign(context, &signature, &length, input, input.count) == 1
    else { throw CryptoError("signing") }
    return Array(signature[..<length])
  }

  deinit { EVP_PKEY_free(pointer) }
}
