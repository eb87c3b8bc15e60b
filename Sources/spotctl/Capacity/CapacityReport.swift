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
    openFiles: Int = CapacityReference.debianOpenFiles
  ) {
    (self.model, self.load, self.machine, self.budget) = (model, load, machine, budget)
    func carried(_ machine: CapacityMachine) -> Carried {
      let (agents, limit) = model.largestFleet(like: load, on: machine, budget: budget)
      return Carried(machine: machine, agents: agents, limit: limit)
    }
    shares = model.shares(load, on: machine)
    first = model.givesOutFirst(load, on: machine)
    largest = carried(machine)
    typical = CapacityMachine.typical(openFiles: openFiles).map(carried)
  }

  /// Whether no more than the budget is used of any resource.
  var fits: Bool { first.share <= budget }
}
