/// What the calculation knows without measurements of yours: the one place with numbers. Those of `figure` were measured with `script/bench` on the machine
/// that `docs/performance.md` names; those of `brokers` with `fleet-bench agents` (agents that have just connected; `docs/SERVER_DEPLOYMENT.md`); the others say their source.
enum CapacityReference {
  /// The processor cores of the machine that `figure` was measured on.
  static let cores = 2

  /// The median of a benchmark's figure.
  static func figure(_ figure: CapacityFigure) -> Double {
    switch figure {
    case .ingestRate: 23_653
    case .publishRate: 4870
    case .drainCost: 15.65
    case .workerPeak: 49.6
    case .deliveredRate: 1283
    case .storedRate: 1043
    case .agentMemory: 22.54
    case .agentProcessor: 0.015
    case .loginRate: 191
    case .steadyAgents: 20_000
    case .steadyRate: 666.6
    case .steadyLag: 32.7
    case .steadyServer: 5.6
    case .steadyBroker: 17.3
    case .steadyDatabase: 8.4
    case .steadyMemory: 62
    }
  }

  /// What agents cost brokers, oldest first.
  static let brokers = [
    BrokerFootprint(version: BrokerVersion(3, 10), memory: 297 * 1024),
    BrokerFootprint(version: BrokerVersion(4, 0), memory: 189 * 1024),
    BrokerFootprint(version: BrokerVersion(4, 3), memory: 141 * 1024),
  ]

  // MARK: The broker with nobody connected, RabbitMQ 3.10.8

  /// Resident bytes.
  static let idleBrokerMemory = 152e6
  /// Erlang processes.
  static let idleBrokerProcesses = 283.0
  /// Open files.
  static let idleBrokerFiles = 35.0

  // MARK: A connected agent, RabbitMQ 3.10.8: 1,000 agents of `fleet-bench agents`, looked at after ten seconds and for a minute from then

  /// Erlang processes of its connection, its channel, its consumers and its queue.
  static let brokerProcesses = 13.4
  /// Open files: its connection, and its queue's.
  static let brokerFiles = 1.03
  /// Processor time of its connection while it says nothing, in µs a second: the heartbeats of AMQP.
  static let quietMicroseconds = 10.5

  // MARK: One heartbeat

  /// Bytes of its body, which are what the queue's `max-length-bytes` counts: that of the benchmarks, of an agent that looks after its own instance.
  static let heartbeatBodyBytes = 262.0
  /// Bytes of the broker's disk that one takes while it waits: how much its folder grew by 60,000 of them (RabbitMQ 3.10.8).
  static let heartbeatLogBytes = 1060.0
  /// Bytes of one on the wire, both directions, without TLS: 606 that a publishing connection sent for each; packets of TCP/IP and the confirm are reckoned.
  static let heartbeatWireBytes = 790.0

  // MARK: From the configuration

  /// `vm_memory_high_watermark.relative` of `broker/rabbitmq.conf`: above it the broker takes no messages.
  static let brokerMemoryShare = 0.5
  /// `message-ttl` and `max-length-bytes` of the policy `heartbeats` in `broker/definitions.json`.
  static let heartbeatLifeSeconds = 3600.0
  static let heartbeatQueueBytes = 1_073_741_824.0
  /// `LimitNOFILE` of Debian's rabbitmq-server.service.
  static let debianOpenFiles = 65_536
  /// The most processes of an Erlang system as RabbitMQ starts it, unless `+P` says otherwise.
  static let erlangProcessLimit = 1_048_576.0
  /// The default of `AGENT_HEARTBEAT_TIMEOUT`, in seconds.
  static let offlineSeconds = 120

  // MARK: Estimates, not measured

  /// What the server remembers of an agent, and of how many at most (`docs/SERVER_DEPLOYMENT.md`).
  static let rememberedBytes = 1024.0
  static let rememberedAgents = 100_000.0
  /// The database's process with Debian's buffer pool of 128 MiB filled (137 MB were seen with hardly anything in it).
  static let databaseMemory = 300e6
  /// An agent's row with its indexes.
  static let agentRowBytes = 2048.0
  /// The system and whatever else runs on a server's machine.
  static let systemMemory = 500e6
  /// An idle connection on the wire, in bytes a second of both directions: a frame of 8 bytes every 10 s each way, with the packets of TCP/IP round it.
  static let quietWireBytes = 24.0
}

/// A RabbitMQ release as far as it matters here.
struct BrokerVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
  let major: Int
  let minor: Int

  init(_ major: Int, _ minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// `3.10` or `3.10.8`; `nil` for anything else.
  init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard (2...3).contains(parts.count), let major = parts[0], let minor = parts[1], parts.allSatisfy({ ($0 ?? -1) >= 0 }) else {
      return nil
    }
    self.init(major, minor)
  }

  static func < (one: Self, other: Self) -> Bool { (one.major, one.minor) < (other.major, other.minor) }

  var description: String { "\(major).\(minor)" }
}

/// What an agent costs a broker of this version or newer, with a connection, a channel, two consumers and a queue with priorities.
struct BrokerFootprint: Sendable, Equatable {
  let version: BrokerVersion
  /// Bytes, just after it has connected.
  let memory: Double
}
