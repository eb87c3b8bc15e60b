/// The fleet that is asked about.
struct CapacityLoad: Sendable, Equatable {
  var agents: Int
  /// Seconds between two heartbeats of an agent.
  var interval: Int
  /// In how many seconds all agents have to be back that lost their connections at once.
  var backWithin = CapacityReference.offlineSeconds

  var heartbeatsPerSecond: Double { Double(agents) / Double(interval) }
}

/// What a fleet needs of a machine that has server, broker and database on it: a calculation from measured figures, without looking at anything.
/// `CapacityReport.assumptions` says in words what it takes for granted.
struct CapacityModel: Sendable {
  /// More agents than any machine carries, and few enough to compute with.
  static let mostAgents = 10_000_000

  let measurements: CapacityMeasurements
  let footprint: BrokerFootprint

  /// `broker` is the release that agents are to connect to, 3.10 or newer; of those that were measured, the newest that is not newer counts.
  init(_ measurements: CapacityMeasurements, broker: BrokerVersion) {
    self.measurements = measurements
    footprint = CapacityReference.brokers.last { $0.version <= broker } ?? CapacityReference.brokers[0]
  }

  // MARK: Costs

  /// Processor time of one part for one heartbeat of a fleet at rest, in seconds.
  func heartbeatCost(_ part: CapacityFigure) -> Double { measurements[part] / 100 / measurements[.steadyRate] }

  /// Processor time of all three parts for one heartbeat, in seconds.
  var heartbeatCost: Double { [.steadyServer, .steadyBroker, .steadyDatabase].reduce(0) { $0 + heartbeatCost($1) } }

  /// Bytes of the broker's process.
  func brokerMemory(_ agents: Int) -> Double { CapacityReference.idleBrokerMemory + Double(agents) * footprint.memory }

  /// Bytes of the server's process: as measured at rest, with more or fewer agents to remember than there were then; or what it has while it drains a
  /// backlog, if that is more.
  func serverMemory(_ agents: Int) -> Double {
    func remembered(_ agents: Double) -> Double { min(agents, CapacityReference.rememberedAgents) * CapacityReference.rememberedBytes }
    let atRest = measurements[.steadyMemory] * 1e6 + remembered(Double(agents)) - remembered(measurements[.steadyAgents])
    return max(atRest, measurements[.workerPeak] * 1e6)
  }

  /// Bytes of the database's process.
  func databaseMemory(_ agents: Int) -> Double { CapacityReference.databaseMemory + Double(agents) * CapacityReference.agentRowBytes }

  // MARK: Rates

  /// Heartbeats a second that a worker takes out of a queue into which nobody publishes.
  func drainRate(_ machine: CapacityMachine) -> Double { measurements[.ingestRate] * fewerCores(machine, than: .ingestRate) }

  /// Heartbeats a second into a queue that nobody drains.
  func publishRate(_ machine: CapacityMachine) -> Double { measurements[.publishRate] * fewerCores(machine, than: .publishRate) }

  /// Heartbeats a second that go through the queue for good. It is one process of the broker, which spends the time of one publishing and of one delivery
  /// on each.
  func queueRate(_ machine: CapacityMachine) -> Double { 1 / (1 / drainRate(machine) + 1 / publishRate(machine)) }

  /// Agents a second that come back. Each is processes of its own at the broker, so cores help.
  func loginRate(_ machine: CapacityMachine) -> Double {
    measurements[.loginRate] * Double(machine.cores) / Double(measurements.cores(of: .loginRate))
  }

  /// One process is not faster on more cores than were measured; on fewer it has to share.
  private func fewerCores(_ machine: CapacityMachine, than figure: CapacityFigure) -> Double {
    min(1, Double(machine.cores) / Double(measurements.cores(of: figure)))
  }

  // MARK: Need and supply

  /// A line for each resource.
  func shares(_ load: CapacityLoad, on machine: CapacityMachine) -> [CapacityShare] {
    let agents = Double(load.agents)
    return CapacityResource.allCases.map { resource in
      let (needs, has): (Double, Double) =
        switch resource {
        case .processors:
          (load.heartbeatsPerSecond * heartbeatCost + agents * CapacityReference.quietMicroseconds / 1e6, Double(machine.cores))
        case .memory:
          (
            brokerMemory(load.agents) + serverMemory(load.agents) + databaseMemory(load.agents) + CapacityReference.systemMemory,
            machine.memory
          )
        case .brokerMemory: (brokerMemory(load.agents), machine.memory * CapacityReference.brokerMemoryShare)
        case .heartbeats: (load.heartbeatsPerSecond, queueRate(machine))
        case .logins: (agents / Double(load.backWithin), loginRate(machine))
        case .openFiles: (CapacityReference.idleBrokerFiles + agents * CapacityReference.brokerFiles, Double(machine.openFiles))
        case .erlangProcesses:
          (CapacityReference.idleBrokerProcesses + agents * CapacityReference.brokerProcesses, CapacityReference.erlangProcessLimit)
        }
      return CapacityShare(resource: resource, needs: needs, has: has)
    }
  }

  /// The resource of which the greatest share is used.
  func givesOutFirst(_ load: CapacityLoad, on machine: CapacityMachine) -> CapacityShare {
    let shares = shares(load, on: machine)
    // The first of equals, so that the answer is the same each time.
    return shares.dropFirst().reduce(shares[0]) { most, next in next.share > most.share ? next : most }
  }

  /// The largest fleet of this interval that uses at most `budget` of each resource (0 to 1), and the resource of which the next agent would need more.
  func largestFleet(like load: CapacityLoad, on machine: CapacityMachine, budget: Double) -> (agents: Int, limit: CapacityResource) {
    func most(_ agents: Int) -> CapacityShare {
      var load = load
      load.agents = agents
      return givesOutFirst(load, on: machine)
    }
    // No resource is needed less by more agents.
    var (carried, refused) = (0, Self.mostAgents)
    while refused - carried > 1 {
      let middle = carried + (refused - carried) / 2
      if most(middle).share <= budget { carried = middle } else { refused = middle }
    }
    return (carried, most(refused).resource)
  }

  // MARK: What else follows

  /// How long it takes until all agents are back that lost their connections at once, in seconds: each waits for a second before it tries.
  func comeback(_ load: CapacityLoad, on machine: CapacityMachine) -> Double { 1 + Double(load.agents) / loginRate(machine) }

  /// How long the server may be away until heartbeats are lost, in seconds: they live for an hour at most, and wait in a queue of limited size.
  func outage(_ load: CapacityLoad) -> Double {
    min(
      CapacityReference.heartbeatLifeSeconds,
      CapacityReference.heartbeatQueueBytes / CapacityReference.heartbeatBodyBytes / load.heartbeatsPerSecond)
  }

  /// How long a server takes to bring what then waits to rows while the fleet goes on, in seconds; `nil` when it never catches up.
  func catchUp(_ load: CapacityLoad, on machine: CapacityMachine) -> Double? {
    let arriving = load.heartbeatsPerSecond
    // The time that the queue's process does not spend on what arrives.
    let rate = drainRate(machine) * (1 - arriving / publishRate(machine)) - arriving
    return rate > 0 ? outage(load) * arriving / rate : nil
  }

  /// Bytes of the broker's disk that what then waits takes.
  func outageDisk(_ load: CapacityLoad) -> Double { outage(load) * load.heartbeatsPerSecond * CapacityReference.heartbeatLogBytes }

  /// Bytes a second at the broker's network card, both directions together; the server's share does not leave the machine.
  func network(_ load: CapacityLoad) -> Double {
    load.heartbeatsPerSecond * CapacityReference.heartbeatWireBytes + Double(load.agents) * CapacityReference.quietWireBytes
  }
}
