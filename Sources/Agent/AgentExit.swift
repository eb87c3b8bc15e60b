/// How an agent ends: the process's exit codes, which `--help` documents.
public enum AgentExit: Int32, Error, Sendable {
  /// It was asked to stop, and has.
  case stopped = 0
  /// It could not begin: the server, the broker or the worker does not answer.
  case startupFailed = 1
  /// A variable or an argument cannot be used.
  case badConfiguration = 2
  /// The server does not take the client token, or the client is switched off.
  case authenticationRefused = 3
}
