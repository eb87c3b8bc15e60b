/// A server that could not start: address, reason and remedy in one line.
public struct HTTPServerError: Error, Equatable, CustomStringConvertible {
  /// The kinds a caller may tell apart.
  public enum Kind: Sendable, Equatable {
    /// The address is not one, or not of this machine; or the port is out of range.
    case invalidAddress
    /// Another program listens there.
    case addressInUse
    /// The kernel or the library refused, with the kernel's `errno`.
    case system(Int32)
  }

  /// What happened.
  public let kind: Kind
  /// One line for a log or a terminal.
  public let description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
