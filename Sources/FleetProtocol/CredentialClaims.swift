import ServiceRuntime

/// What a credential says, read without checking its signature: for an agent that wants to know when to renew, never for deciding trust.
public struct CredentialClaims: Sendable, Equatable {
  /// The id of the key it was signed with.
  public let keyID: String
  /// The user name it is for.
  public let subject: String
  /// Since when it is valid.
  public let issuedAt: Timestamp
  /// When it ends.
  public let expiresAt: Timestamp
  /// What it permits.
  public let scopes: [String]

  /// Reads a compact JWT. Errors never show the token.
  public init(unverified token: String) throws(MessageError) {
    guard token.utf8.count <= MessageLimits.credentialBytes else {
      throw MessageError(field: "credential", problem: "has \(token.utf8.count) bytes; \(MessageLimits.credentialBytes) are the most")
    }
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
      Base64URL.decode(parts[2]) != nil
    else { throw MessageError(field: "credential", problem: "is not a JWT of three base64url parts") }
    let head: Header
    let claims: Payload
    do throws(MessageError) {
      head = try WireCoding.decodeJSON(Header.self, from: header)
      claims = try WireCoding.decodeJSON(Payload.self, from: payload)
    } catch {
      throw MessageError(field: "credential", problem: "has a header or claims that cannot be read (\(error))")
    }
    let sane: ClosedRange<Int64> = 0...253_402_300_799  // the last second of the year 9999
    guard sane.contains(claims.iat), sane.contains(claims.exp) else {
      throw MessageError(field: "credential", problem: "has a time outside the years 1970 to 9999")
    }
    keyID = head.kid
    subject = claims.sub
    issuedAt = Timestamp(seconds: claims.iat)
    expiresAt = Timestamp(seconds: claims.exp)
    scopes = claims.scope
  }

  struct Header: Codable {
    let alg: String
    let typ: String
    let kid: String
  }

  struct Payload: Codable {
    let iss: String
    let sub: String
    let aud: String
    let iat: Int64
    let exp: Int64
    let jti: String
    let scope: [String]
  }
}
