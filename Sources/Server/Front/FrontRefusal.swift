import FleetProtocol
import HTTP

/// An answer that ends the handling of a request early.
struct FrontRefusal: Error {
  let response: HTTPResponse
  /// For the log; `nil` when that is written already, or is not worth a line.
  var reason: String?

  /// This answer.
  init(response: HTTPResponse, reason: String? = nil) {
    self.response = response
    self.reason = reason
  }

  /// One of the refusals that operators know by their words.
  init(_ status: ErrorStatus, reason: String) {
    self.init(response: .error(status.code, status.text), reason: reason)
  }

  /// 400 for one field.
  init(_ error: MessageError) { self.init(details: [error.field: [error.problem]]) }

  /// 400 with what is wrong, field by field.
  init(details: [String: [String]]) {
    let body: JSONValue = [
      "error": .string(ErrorStatus.validationFailed.text), "details": .object(details.mapValues { .array($0.map { .string($0) }) }),
    ]
    let reason = details.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.joined(separator: ", "))" }.joined(separator: "; ")
    self.init(response: .json(ErrorStatus.validationFailed.code, body), reason: reason)
  }
}

extension HTTPResponse {
  /// An answer of a JSON value.
  static func json(_ status: Int, _ body: JSONValue) -> HTTPResponse {
    do throws(MessageError) {
      return .json(status, try WireCoding.encodeJSON(body))
    } catch {
      // Only numbers that JSON cannot express and bodies of 256 KiB fail.
      return .error(500, "\(error)")
    }
  }
}
