import ServiceRuntime

/// An agent's credential for the broker: a JWT (RFC 7519) signed with RS256, which RabbitMQ checks by itself.
public enum Credential {
  /// `iss` of every credential.
  public static let issuer = "spot-optimizer-server"

  /// Signs a credential for one agent, valid from `issuedAt` (whole seconds) for `lifetime`.
  public static func issue(
    for address: AgentAddress, virtualHost: String, key: CredentialKey, issuedAt: Timestamp, lifetime: Duration
  ) throws(CryptoError) -> (token: String, expiresAt: Timestamp) {
    let issued = issuedAt.seconds
    let expires = issued + max(1, lifetime.components.seconds)
    let claims = CredentialClaims.Payload(
      iss: issuer, sub: address.username, aud: Topology.resourceServerID, iat: issued, exp: expires,
      jti: Hexadecimal.encode(try randomBytes(16)), scope: scopes(for: address, virtualHost: virtualHost))
    let input = "\(part(CredentialClaims.Header(alg: "RS256", typ: "JWT", kid: key.keyID))).\(part(claims))"
    let signature = try key.sign(Array(input.utf8))
    return ("\(input).\(Base64URL.encode(signature))", Timestamp(seconds: expires))
  }

  /// What an agent may do: publish to `fleet.inbox` with its own five routing keys, and read its own queue in any generation.
  ///
  /// RabbitMQ (`rabbit_oauth2_scope`, `wildcard`) splits a scope at `/` and `*` and decodes each part as URL text, so each part is encoded once
  /// more: the `%` of an encoded id is `%25`. Direct reply-to needs no permission: the broker looks at the pseudo queue's name before it
  /// asks anybody.
  public static func scopes(for address: AgentAddress, virtualHost: String) -> [String] {
    let vhost = PercentEncoding.encode(virtualHost)
    func again(_ text: String) -> String { PercentEncoding.encode(text, keeping: UInt8(ascii: ".")) }
    let writes = MessageKind.allCases.map {
      "\(Topology.resourceServerID).write:\(vhost)/\(again(Topology.inboxExchange))/\(again(address.routingKey($0)))"
    }
    return writes + ["\(Topology.resourceServerID).read:\(vhost)/\(Topology.agentQueuePrefix).\(again(address.encoded)).*"]
  }

  private static func part(_ value: some Encodable) -> String {
    do throws(MessageError) {
      return Base64URL.encode(try WireCoding.encodeJSON(value))
    } catch {
      // Texts and whole numbers of a few hundred bytes: there is no input for which this can fail.
      preconditionFailure("a credential's claims cannot be encoded: \(error)")
    }
  }
}
