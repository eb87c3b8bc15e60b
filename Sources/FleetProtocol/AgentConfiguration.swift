/// What the server tells an agent to do by itself: the `config` object of the v4 API, with its keys and defaults.
public struct AgentConfiguration: WireMessage {
  /// Whether the agent works at all.
  public var enabled = true
  /// Whether it may switch instances by itself.
  public var autoSwitchEnabled = true
  /// Whether it may end the instance it left.
  public var autoTerminateEnabled = true
  /// Seconds between leaving an instance and ending it.
  public var terminateWaitSeconds = 300
  /// Whether replicas are kept.
  public var replicaEnabled = false
  /// How many.
  public var replicaCount = 0
  /// Whether a person keeps them.
  public var manualReplicaEnabled = false
  /// The least saving that is worth a switch, in percent.
  public var minSavingsPercent = 15.0
  /// The risk of interruption from which to switch, 0 to 1.
  public var riskThreshold = 0.3
  /// Switches in seven days at most.
  public var maxSwitchesPerWeek = 10
  /// Hours to stay in a pool at least.
  public var minPoolDurationHours = 2

  /// The greatest version of a configuration (`agents.config_version`).
  public static let greatestVersion = 4_294_967_295

  /// The defaults.
  public init() {}
}

extension AgentConfiguration {
  /// A key of the object: its name, what it is for, and which values it takes.
  public struct Key: Sendable {
    /// The type of a key's values and their range, both ends included.
    public enum Kind: Sendable {
      /// `true` or `false`.
      case flag(any WritableKeyPath<AgentConfiguration, Bool> & Sendable)
      /// A whole number.
      case wholeNumber(any WritableKeyPath<AgentConfiguration, Int> & Sendable, ClosedRange<Int>)
      /// A number.
      case number(any WritableKeyPath<AgentConfiguration, Double> & Sendable, ClosedRange<Double>)
    }

    /// The name on the wire and for operators: `terminate_wait_seconds`.
    public let name: String
    /// Its values.
    public let kind: Kind
    /// What it does, one phrase for people.
    public let help: String
  }

  /// Every key, in the order they are shown in: what decoding, encoding, checking and the operator's tool go by.
  public static let keys: [Key] = [
    Key(name: "enabled", kind: .flag(\.enabled), help: "the agent works at all"),
    Key(name: "auto_switch_enabled", kind: .flag(\.autoSwitchEnabled), help: "it may switch instances by itself"),
    Key(name: "auto_terminate_enabled", kind: .flag(\.autoTerminateEnabled), help: "it may end the instance it left"),
    Key(
      name: "terminate_wait_seconds", kind: .wholeNumber(\.terminateWaitSeconds, 0...MessageLimits.longestSeconds),
      help: "seconds between leaving an instance and ending it"),
    Key(name: "replica_enabled", kind: .flag(\.replicaEnabled), help: "replicas are kept"),
    Key(name: "replica_count", kind: .wholeNumber(\.replicaCount, 0...1000), help: "how many replicas"),
    Key(name: "manual_replica_enabled", kind: .flag(\.manualReplicaEnabled), help: "a person keeps the replicas"),
    Key(
      name: "min_savings_percent", kind: .number(\.minSavingsPercent, 0...100), help: "the least saving that is worth a switch, in percent"),
    Key(name: "risk_threshold", kind: .number(\.riskThreshold, 0...1), help: "the risk of interruption from which to switch"),
    Key(name: "max_switches_per_week", kind: .wholeNumber(\.maxSwitchesPerWeek, 0...100_000), help: "switches in seven days at most"),
    Key(
      name: "min_pool_duration_hours", kind: .wholeNumber(\.minPoolDurationHours, 0...(365 * 24)), help: "hours to stay in a pool at least"),
  ]
}

extension AgentConfiguration {
  private struct Name: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Decodes; a key that is absent or null has its default.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Name.self)
    for key in Self.keys {
      let name = Name(key.name)
      switch key.kind {
      case .flag(let path): if let value = try fields.decodeIfPresent(Bool.self, forKey: name) { self[keyPath: path] = value }
      case .wholeNumber(let path, _): if let value = try fields.decodeIfPresent(Int.self, forKey: name) { self[keyPath: path] = value }
      case .number(let path, _): if let value = try fields.decodeIfPresent(Double.self, forKey: name) { self[keyPath: path] = value }
      }
    }
  }

  /// Encodes every key.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Name.self)
    for key in Self.keys {
      let name = Name(key.name)
      switch key.kind {
      case .flag(let path): try fields.encode(self[keyPath: path], forKey: name)
      case .wholeNumber(let path, _): try fields.encode(self[keyPath: path], forKey: name)
      case .number(let path, _): try fields.encode(self[keyPath: path], forKey: name)
      }
    }
  }

  /// Ranges.
  public func validate() throws(MessageError) {
    for key in Self.keys {
      switch key.kind {
      case .flag: continue
      case .wholeNumber(let path, let range): try MessageLimits.number(self[keyPath: path], key.name, in: range)
      case .number(let path, let range):
        let value = self[keyPath: path]
        guard !range.contains(value) else { continue }
        throw MessageError(field: key.name, problem: "is \(value); it must be \(key.values)")
      }
    }
  }
}

extension AgentConfiguration.Key {
  /// Which values it takes, as people are told: `true or false`, `a whole number from 0 to 1000`.
  public var values: String {
    switch kind {
    case .flag: "true or false"
    case .wholeNumber(_, let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .number(_, let range): "a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))"
    }
  }

  /// The value an agent has that was told none.
  public var defaultValue: JSONValue {
    let defaults = AgentConfiguration()
    return switch kind {
    case .flag(let path): .bool(defaults[keyPath: path])
    case .wholeNumber(let path, _): .int(Int64(defaults[keyPath: path]))
    case .number(let path, _): .double(defaults[keyPath: path])
    }
  }

  /// The value that a text says, when it is one of this key's.
  public func value(of text: String) -> JSONValue? {
    switch kind {
    case .flag: return ["true": JSONValue.bool(true), "false": .bool(false)][text]
    case .wholeNumber(_, let range):
      guard let number = Int(text), range.contains(number) else { return nil }
      return .int(Int64(number))
    case .number(_, let range):
      // Digits and a point only: no hexadecimal, no infinity.
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }), let number = Double(text),
        range.contains(number)
      else { return nil }
      // As it is read again from JSON, where a whole number is one however it was written.
      return number == number.rounded() ? .int(Int64(number)) : .double(number)
    }
  }
}
