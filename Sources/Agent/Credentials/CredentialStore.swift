import FleetProtocol
import Glibc
import ServiceRuntime

/// The newest credential on disk, so that a start needs no more of the server than its health.
///
/// One file for each server, token and name (mode 600). Its first line is a signature over the rest, made with the client token: a file
/// that was damaged, or belongs to another server or token, does not verify and is not used.
struct CredentialStore: Sendable {
  /// What there was to load.
  enum Loaded: Sendable, Equatable {
    /// A whole file of ours.
    case credential(CredentialReply)
    /// No file.
    case nothing
    /// A file that cannot be used, and why.
    case unusable(String)
  }

  /// Where the credential lies.
  let path: String
  private let folder: String
  private let seal: MessageSeal
  private let purpose: String

  init(_ folder: StateFolder, serverURL: ServerURL, token: ClientToken, logicalAgentID: String) throws(SignatureError) {
    let seal = MessageSeal(token: token)
    purpose = "\(serverURL)\n\(logicalAgentID)"
    let name = try seal.fingerprint(Array(purpose.utf8), purpose: "credential-file")
    self.folder = folder.path
    self.seal = seal
    path = "\(folder.path)/credential-\(name.prefix(32)).json"
  }

  /// Reads the file.
  func load() -> Loaded {
    let bytes: [UInt8]
    do throws(FileError) {
      guard let found = try PrivateFile.read(path, most: MessageLimits.bodyBytes) else { return .nothing }
      bytes = found
    } catch {
      return .unusable("\(error)")
    }
    guard let end = bytes.firstIndex(of: 0x0a) else { return .unusable("\(path) is cut off") }
    let body = Array(bytes[(end + 1)...])
    do {
      let signature = String(decoding: bytes[..<end], as: UTF8.self)
      guard signature == (try sign(body)) else { return .unusable("\(path) is damaged, or was written with another token") }
      return .credential(try WireCoding.decode(CredentialReply.self, from: body))
    } catch {
      return .unusable("\(path): \(error)")
    }
  }

  /// Puts a credential in the place of the one before; both are whole at every moment.
  func save(_ reply: CredentialReply) throws {
    let body = try WireCoding.encode(reply)
    try PrivateFile.replace(path, in: folder, with: Array(try sign(body).utf8) + [0x0a] + body)
  }

  private func sign(_ body: [UInt8]) throws(SignatureError) -> String {
    try seal.fingerprint(Array("\(purpose)\n".utf8) + body, purpose: "credential")
  }
}
