/// Which agent this is: in `--version`, in the registration, and in the HTTP user agent.
public enum AgentVersion {
  /// The version. The HTTP-polling agents before it were 4.x.
  public static let current = "5.0.0"
  /// Program and version as one word, for `app_id` and `User-Agent`.
  static let product = "spot-optimizer-agent/\(current)"
}
