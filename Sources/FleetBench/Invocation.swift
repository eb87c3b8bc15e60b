import FleetProtocol
import ServiceRuntime

/// What the command line asks for.
enum Invocation {
  case print(String)
  case ingest(IngestOptions)
  case dispatch(DispatchOptions)
  case agent(IdleAgentOptions)
  case storm(StormOptions)
  case steady(SteadyOptions)
  case grow(GrowOptions)
  case commands(CommandOptions)
  case notices(NoticeOptions)
  case agents(AgentOptions)
  case priorities(PriorityOptions)

  /// Reads the arguments after the program's name. Throws `ConfigurationError` that names the argument.
  init(_ arguments: [String]) throws(ConfigurationError) {
    var words = ArgumentWords(arguments.dropFirst())
    switch arguments.first {
    case "ingest": self = words.wantsHelp ? .print(Usage.ingest) : .ingest(try IngestOptions(&words))
    case "dispatch": self = words.wantsHelp ? .print(Usage.dispatch) : .dispatch(try DispatchOptions(&words))
    case "agent": self = words.wantsHelp ? .print(Usage.agent) : .agent(try IdleAgentOptions(&words))
    case "storm": self = words.wantsHelp ? .print(Usage.storm) : .storm(try StormOptions(&words))
    case "steady": self = words.wantsHelp ? .print(Usage.steady) : .steady(try SteadyOptions(&words))
    case "grow": self = words.wantsHelp ? .print(Usage.grow) : .grow(try GrowOptions(&words))
    case "commands": self = words.wantsHelp ? .print(Usage.commands) : .commands(try CommandOptions(&words))
    case "notices": self = words.wantsHelp ? .print(Usage.notices) : .notices(try NoticeOptions(&words))
    case "agents": self = words.wantsHelp ? .print(Usage.agents) : .agents(try AgentOptions(&words))
    case "priorities": self = words.wantsHelp ? .print(Usage.priorities) : .priorities(try PriorityOptions(&words))
    case "--help", "-h", "help": self = .print(Usage.program)
    case "--version": self = .print("fleet-bench \(programVersion)\n")
    case nil: throw ConfigurationError(name: "the command", problem: "is missing", remedy: "see fleet-bench --help")
    case .some(let word):
      throw ConfigurationError(
        name: "the command",
        problem:
          "is '\(printable(word))', which is none of ingest, dispatch, agent, storm, steady, grow, commands, notices, agents, priorities",
        remedy: "see fleet-bench --help")
    }
  }
}

/// The words behind a command, taken one after the other.
struct ArgumentWords {
  private var rest: ArraySlice<String>

  init(_ words: ArraySlice<String>) { rest = words }

  /// Whether help is asked for, wherever it stands.
  var wantsHelp: Bool { rest.contains("--help") || rest.contains("-h") }

  mutating func next() -> String? { rest.popFirst() }

  mutating func text(_ name: String) throws(ConfigurationError) -> String {
    guard let value = rest.popFirst(), !value.isEmpty else {
      throw ConfigurationError(name: name, problem: "has no value", remedy: "write it behind the option")
    }
    return value
  }

  mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
    let value = try text(name)
    guard let number = Int(value), range.contains(number) else {
      throw ConfigurationError(
        name: name, problem: "is '\(printable(value))'", remedy: "give a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// Numbers separated by commas, each greater than the one before.
  mutating func ascending(_ name: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> [Int] {
    let value = try text(name)
    let numbers = value.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
    guard numbers.allSatisfy({ range.contains($0) }), zip(numbers, numbers.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw ConfigurationError(
        name: name, problem: "is '\(printable(value))'",
        remedy: "give whole numbers from \(range.lowerBound) to \(range.upperBound), separated by commas and the smallest first")
    }
    return numbers
  }

  static func unknown(_ word: String, _ command: String) -> ConfigurationError {
    ConfigurationError(
      name: "the argument", problem: "'\(printable(word))' is none of \(command)'s", remedy: "see fleet-bench \(command) --help")
  }
}

/// What all scenarios of `script/bench` take.
struct ScenarioOptions: Sendable {
  var runs = 3
  var asJSON = false
  var programs = Programs()

  /// Whether `word` was one of them; takes its value too.
  mutating func take(_ word: String, _ words: inout ArgumentWords) throws(ConfigurationError) -> Bool {
    switch word {
    case "--runs": runs = try words.integer(word, in: 1...1000)
    case "--json": asJSON = true
    case "--programs": programs.folder = try words.text(word)
    case "--limits": programs.limits = try words.text(word)
    default: return false
    }
    return true
  }
}

/// `fleet-bench ingest`.
@dynamicMemberLookup
struct IngestOptions: Sendable {
  var scenario = ScenarioOptions()
  var heartbeats = 200_000
  var agents = 4000

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--heartbeats": heartbeats = try words.integer(word, in: 1...1_000_000)
      case "--agents": agents = try words.integer(word, in: 1...100_000)
      default: guard try scenario.take(word, &words) else { throw ArgumentWords.unknown(word, "ingest") }
      }
    }
    guard heartbeats >= agents else {
      throw ConfigurationError(
        name: "--heartbeats", problem: "is \(heartbeats), fewer than the \(agents) agents", remedy: "give at least one for each agent")
    }
  }

  subscript<Value>(dynamicMember path: KeyPath<ScenarioOptions, Value>) -> Value { scenario[keyPath: path] }
}

/// `fleet-bench dispatch`.
@dynamicMemberLookup
struct DispatchOptions: Sendable {
  var scenario = ScenarioOptions()
  var agents = 5000
  var commands = 2000
  var batch = 50_000
  var heartbeats = 200_000

  /// Agents whose heartbeats drain; those that take commands are others.
  var beatingAgents: Int { min(4000, heartbeats) }

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--agents": agents = try words.integer(word, in: 1...50_000)
      case "--commands": commands = try words.integer(word, in: 1...1_000_000)
      case "--batch": batch = try words.integer(word, in: 1...1_000_000)
      case "--heartbeats": heartbeats = try words.integer(word, in: 1...1_000_000)
      default: guard try scenario.take(word, &words) else { throw ArgumentWords.unknown(word, "dispatch") }
      }
    }
  }

  subscript<Value>(dynamicMember path: KeyPath<ScenarioOptions, Value>) -> Value { scenario[keyPath: path] }
}

/// `fleet-bench agent`.
@dynamicMemberLookup
struct IdleAgentOptions: Sendable {
  var scenario = ScenarioOptions()
  var idle = Duration.seconds(30)

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--idle": idle = .seconds(try words.integer(word, in: 1...3600))
      default: guard try scenario.take(word, &words) else { throw ArgumentWords.unknown(word, "agent") }
      }
    }
  }

  subscript<Value>(dynamicMember path: KeyPath<ScenarioOptions, Value>) -> Value { scenario[keyPath: path] }
}

/// `fleet-bench storm`.
@dynamicMemberLookup
struct StormOptions: Sendable {
  var scenario = ScenarioOptions()
  var agents = 5000

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--agents": agents = try words.integer(word, in: 1...20_000)
      default: guard try scenario.take(word, &words) else { throw ArgumentWords.unknown(word, "storm") }
      }
    }
  }

  subscript<Value>(dynamicMember path: KeyPath<ScenarioOptions, Value>) -> Value { scenario[keyPath: path] }
}

/// `fleet-bench steady`.
@dynamicMemberLookup
struct SteadyOptions: Sendable {
  var scenario = ScenarioOptions()
  var agents = 20_000
  var duration = Duration.seconds(600)
  /// The processes whose processor time is told too.
  var brokerProcess: Int32?
  var databaseProcess: Int32?

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    scenario.runs = 1
    while let word = words.next() {
      switch word {
      case "--agents": agents = try words.integer(word, in: 1...100_000)
      case "--seconds": duration = .seconds(try words.integer(word, in: 1...86_400))
      case "--broker-pid": brokerProcess = Int32(try words.integer(word, in: 1...4_194_304))
      case "--database-pid": databaseProcess = Int32(try words.integer(word, in: 1...4_194_304))
      default: guard try scenario.take(word, &words) else { throw ArgumentWords.unknown(word, "steady") }
      }
    }
  }

  subscript<Value>(dynamicMember path: KeyPath<ScenarioOptions, Value>) -> Value { scenario[keyPath: path] }
}

/// `fleet-bench grow`.
@dynamicMemberLookup
struct GrowOptions: Sendable {
  var scenario = ScenarioOptions()
  var agents = [1000, 10_000, 100_000]
  var history = [100_000, 1_000_000]
  var heartbeats = 100_000
  var commands = 500

  var plan: GrowthPlan { GrowthPlan(agents: agents, history: history) }
  /// Agents whose heartbeats come: as many with every size.
  var beating: Int { min(GrowBenchmark.mostBeating, agents.first ?? 0) }

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    scenario.runs = 1
    while let word = words.next() {
      switch word {
      case "--agents": agents = try words.ascending(word, in: 1...1_000_000)
      case "--history": history = try words.ascending(word, in: 1...10_000_000)
      case "--heartbeats": heartbeats = try words.integer(word, in: 1...1_000_000)
      case "--commands": commands = try words.integer(word, in: 1...1_000_000)
      default: guard try scenario.take(word, &words) else { throw ArgumentWords.unknown(word, "grow") }
      }
    }
    guard heartbeats >= beating else {
      throw ConfigurationError(
        name: "--heartbeats", problem: "is \(heartbeats), fewer than the \(beating) agents that send them",
        remedy: "give at least one for each")
    }
  }

  subscript<Value>(dynamicMember path: KeyPath<ScenarioOptions, Value>) -> Value { scenario[keyPath: path] }
}

/// `fleet-bench commands`.
struct CommandOptions: Sendable {
  var count = 1000
  var agents = 1

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--count": count = try words.integer(word, in: 1...1_000_000)
      case "--agents": agents = try words.integer(word, in: 1...1000)
      default: throw ArgumentWords.unknown(word, "commands")
      }
    }
    guard count >= agents else {
      throw ConfigurationError(
        name: "--count", problem: "is \(count), fewer than the \(agents) agents", remedy: "give at least one for each agent")
    }
  }
}

/// `fleet-bench notices`.
struct NoticeOptions: Sendable {
  var count = 1000

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--count": count = try words.integer(word, in: 1...1_000_000)
      default: throw ArgumentWords.unknown(word, "notices")
      }
    }
  }
}

/// `fleet-bench agents`.
struct AgentOptions: Sendable {
  var count = 0
  var hold = Duration.seconds(2)

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--count": count = try words.integer(word, in: 1...50_000)
      case "--hold": hold = .seconds(try words.integer(word, in: 0...86_400))
      default: throw ArgumentWords.unknown(word, "agents")
      }
    }
    guard count > 0 else { throw ConfigurationError(name: "--count", problem: "is missing", remedy: "say how many agents: --count 1000") }
  }
}

/// `fleet-bench priorities`.
struct PriorityOptions: Sendable {
  var queues = 2000
  var messages = 20_000
  var highest = Int(Topology.queuePriorities)

  init(_ words: inout ArgumentWords) throws(ConfigurationError) {
    while let word = words.next() {
      switch word {
      case "--queues": queues = try words.integer(word, in: 1...50_000)
      case "--messages": messages = try words.integer(word, in: 1...1_000_000)
      case "--highest": highest = try words.integer(word, in: 1...255)
      default: throw ArgumentWords.unknown(word, "priorities")
      }
    }
  }
}
