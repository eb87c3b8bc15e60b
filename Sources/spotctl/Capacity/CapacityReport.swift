/// The answer to one question: does this fleet fit this machine?
struct CapacityReport: Sendable {
  /// A size of machine and what it carries.
  struct Carried: Sendable, Equatable {
    let machine: CapacityMachine
    let agents: Int
    let limit: CapacityResource
  }

  let model: CapacityModel
  let load: CapacityLoad
  let machine: CapacityMachine
  /// What of each resource may be used, 0 to 1.
  let budget: Double
  /// The open files of the machine, when they are what the shell allows and nobody said so.
  let shellLimit: Int?

  let shares: [CapacityShare]
  /// The one of which the greatest share is used.
  let first: CapacityShare
  /// The largest fleet of that interval on this machine.
  let largest: Carried
  /// The same on machines that one can buy.
  let typical: [Carried]

  /// `openFiles` are those of the machines that one can buy.
  init(
    _ model: CapacityModel, _ load: CapacityLoad, on machine: CapacityMachine, budget: Double,
    openFiles: Int = CapacityReference.debianOpenFiles, shellLimit: Int? = nil
  ) {
    (self.model, self.load, self.machine, self.budget, self.shellLimit) = (model, load, machine, budget, shellLimit)
    func carried(_ machine: CapacityMachine) -> Carried {
      let (agents, limit) = model.largestFleet(like: load, on: machine, budget: budget)
      return Carried(machine: machine, agents: agents, limit: limit)
    }
    shares = model.shares(load, on: machine)
    first = model.givesOutFirst(load, on: machine)
    largest = carried(machine)
    typical = CapacityMachine.typical(openFiles: openFiles).map(carried)
  }

  /// What whoever asked should know besides.
  var remarks: [String] {
    var remarks = model.measurements.remarks
    let offline = CapacityReference.offlineSeconds
    if 3 * load.interval > offline {
      remarks.append(
        "with a heartbeat every \(DurationWord.shown(load.interval)), AGENT_HEARTBEAT_TIMEOUT has to be three times that at least "
          + "(\(DurationWord.shown(3 * load.interval)); it is \(DurationWord.shown(offline)) unless it is set), or agents are called offline between two of them"
      )
    }
    if let shellLimit {
      remarks.append(
        "the broker is reckoned with \(shellLimit) open files, which is what this shell allows (ulimit -Hn); --open-files says what the broker's unit allows"
      )
    }
    return remarks
  }

  /// Whether no more than the budget is used of any resource.
  var fits: Bool { first.share <= budget }
}
