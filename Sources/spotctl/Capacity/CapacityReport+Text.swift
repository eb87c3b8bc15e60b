/// How a report reads for people.
extension CapacityReport {
  var text: String {
    let parts = [
      heading, Rendering.table(shares.map(record), empty: ""), verdict, Rendering.table(typical.map(record), empty: ""), outlook,
      "Calculated from:\n" + Rendering.table(CapacityFigure.allCases.map(record), empty: ""),
      "Taken for granted:\n" + assumptions.map { "- \($0)\n" }.joined(),
    ]
    return parts.joined(separator: "\n")
  }

  private var heading: String {
    """
    \(Self.count(load.agents, "agent")) with a heartbeat every \(DurationWord.shown(load.interval)): \
    \(CapacityText.number(load.heartbeatsPerSecond)) heartbeats a second, on one machine of \(text(machine))

    """
  }

  /// `2 cores, 7.8 GiB and 65536 open files`.
  private func text(_ machine: CapacityMachine) -> String {
    "\(Self.count(machine.cores, "core")), \(CapacityText.bytes(machine.memory)) and \(machine.openFiles) open files"
  }

  static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

  private func record(_ share: CapacityShare) -> Record {
    var record = Record()
    record.add("resource", .text(share.resource.title), listed: true)
    record.add("needs", .text(share.resource.text(share.needs)), listed: true)
    record.add("has", .text(share.resource.text(share.has)), listed: true)
    record.add("share_%", .number(Self.percent(share.share)), listed: true)
    let note =
      share == first ? (fits ? "the greatest share" : "gives out first") : share.share > budget ? "too little as well" : ""
    record.add("note", note.isEmpty ? .null : .text(note), listed: true)
    return record
  }

  /// Rounded up, so that what is too little does not look like enough.
  static func percent(_ share: Double) -> Int { Int(min((share * 100 - 1e-9).rounded(.up), 1e9)) }

  /// The three leading digits: more would look more certain than a calculation is.
  static func roughly(_ agents: Int) -> Int {
    var unit = 1
    while agents / unit >= 1000 { unit *= 10 }
    return agents / unit * unit
  }

  private var verdict: String {
    let free = "with \(Self.percent(1 - budget))% of each to stay free"
    var answer = ["It fits \(free)."]
    if !fits {
      answer = ["It does not fit \(free): \(first.resource.title). What helps: \(first.resource.remedy)."]
      for share in shares where share != first && share.share > budget {
        answer.append("Too little as well: \(share.resource.title). What helps: \(share.resource.remedy).")
      }
    }
    return """
      \(answer.joined(separator: "\n"))
      The largest fleet at that interval on this machine, \(free): about \(Self.roughly(largest.agents)) agents; first to give out: \(largest.limit.title).
      On other machines, with \(typical[0].machine.openFiles) open files:

      """
  }

  private func record(_ carried: Carried) -> Record {
    var record = Record()
    record.add("cores", .number(carried.machine.cores), listed: true)
    record.add("memory", .text(CapacityText.bytes(carried.machine.memory)), listed: true)
    record.add("agents", .number(Self.roughly(carried.agents)), listed: true)
    record.add("gives_out_first", .text(carried.limit.title), listed: true)
    return record
  }

  private func record(_ figure: CapacityFigure) -> Record {
    var record = Record()
    record.add("figure", .text(figure.rawValue), listed: true)
    record.add("value", .text(CapacityText.number(model.measurements[figure])), listed: true)
    record.add("unit", .text(figure.unit), listed: true)
    record.add("from", .text(model.measurements.origin(of: figure)), listed: true)
    return record
  }

  private var outlook: String {
    let outage = model.outage(load)
    let catchUp = model.catchUp(load, on: machine).map { "and takes \(CapacityText.time($0)) to catch up" } ?? "and never catches up"
    let measurements = model.measurements
    return """
      A heartbeat costs \(CapacityText.number(model.heartbeatCost * 1e6)) µs of processor time: \
      server \(microseconds(.steadyServer)), broker \(microseconds(.steadyBroker)), database \(microseconds(.steadyDatabase)).
      Measured, not calculated: at \(CapacityText.number(measurements[.steadyRate])) heartbeats a second, 99 of 100 were in their rows \
      \(CapacityText.number(measurements[.steadyLag])) ms after they were sent, or sooner.
      The server may be away for \(CapacityText.time(outage)) before heartbeats are lost, \(catchUp); \
      they take \(CapacityText.bytes(model.outageDisk(load))) of the broker's disk meanwhile.
      All agents are back \(CapacityText.time(model.comeback(load, on: machine))) after all connections were lost, or up to a minute later where the broker stays away for longer.
      A command for every agent is there after \(CapacityText.time(Double(load.agents) / measurements[.deliveredRate])), \
      all results are stored after \(CapacityText.time(Double(load.agents) / measurements[.storedRate])).
      At the broker's network card: \(CapacityText.bytes(model.network(load)))/s. In the database: \
      \(CapacityText.bytes(Double(load.agents) * CapacityReference.agentRowBytes)) for the agents' rows.
      On each agent's own machine: \(CapacityText.number(measurements[.agentMemory])) MB of memory and \
      \(CapacityText.number(measurements[.agentProcessor]))% of a core.

      """
  }

  private func microseconds(_ part: CapacityFigure) -> String { CapacityText.number(model.heartbeatCost(part) * 1e6) }
}
