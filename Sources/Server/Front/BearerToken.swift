import HTTP
import HTTPServing
import ServiceRuntime

extension HTTPRequest {
  /// The token of `Authorization: Bearer …` (RFC 6750, section 2.1; the scheme in any case), white space around it stripped; `nil` when there is none.
  var bearerToken: String? {
    guard let field = headers["Authorization"]?.trimmingWhitespace(), let space = field.firstIndex(where: \.isWhitespace),
      field[..<space].lowercased() == "bearer"
    else { return nil }
    let token = String(field[space...]).trimmingWhitespace()
    return token.isEmpty ? nil : token
  }
}
