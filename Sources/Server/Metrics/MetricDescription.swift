/// What a metric is: its name, which ends in its unit, its kind, the names of its labels and its meaning.
public struct MetricDescription: Sendable, Equatable {
  /// How its value moves.
  public enum Kind: String, Sendable {
    /// Only up, from nought at each start.
    case counter
    /// Up and down.
    case gauge
    /// Observations counted by size.
    case histogram
  }

  /// `spot_optimizer_messages_total`.
  public let name: String
  /// How its value moves.
  public let kind: Kind
  /// The names of its labels, in their order. Each label has few values, which are known beforehand: never a client, an agent or a command.
  public let labels: [String]
  /// One sentence.
  public let help: String

  init(_ name: String, _ kind: Kind, labels: [String] = [], _ help: String) {
    self.name = name
    self.kind = kind
    self.labels = labels
    self.help = help
  }
}
