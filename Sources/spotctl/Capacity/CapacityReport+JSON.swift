import FleetProtocol

/// A report for programs.
extension CapacityReport {
  var json: JSONValue {
    [
      "agents": number(load.agents), "interval_seconds": number(load.interval),
      "heartbeats_per_second": number(load.heartbeatsPerSecond), "back_within_seconds": number(load.backWithin),
      "broker": .string("\(model.footprint.version)"), "machine": json(machine), "budget_percent": number(budget * 100),
      "fits": .bool(fits), "gives_out_first": .string(first.resource.rawValue), "resources": .array(shares.map(json)),
      "largest_fleet": json(largest), "typical_machines": .array(typical.map(json)), "outlook": outlook,
      "figures": .array(CapacityFigure.allCases.map(json)), "assumptions": .array(assumptions.map { .string($0) }),
      "remarks": .array(remarks.map { .string($0) }),
    ]
  }

  private func number(_ value: Int) -> JSONValue { .int(Int64(value)) }
  private func number(_ value: Double) -> JSONValue { .double(CapacityText.rounded(value)) }

  private func json(_ machine: CapacityMachine) -> JSONValue {
    ["cores": number(machine.cores), "memory_bytes": .int(Int64(machine.memory)), "open_files": number(machine.openFiles)]
  }

  private func json(_ share: CapacityShare) -> JSONValue {
    [
      "resource": .string(share.resource.rawValue), "needs": number(share.needs), "has": number(share.has),
      "unit": .string(share.resource.unit), "share_percent": number(share.share * 100), "remedy": .string(share.resource.remedy),
    ]
  }

  private func json(_ carried: Carried) -> JSONValue {
    ["machine": json(carried.machine), "agents": number(carried.agents), "gives_out_first": .string(carried.limit.rawValue)]
  }

  private func json(_ figure: CapacityFigure) -> JSONValue {
    [
      "figure": .string(figure.rawValue), "value": number(model.measurements[figure]), "unit": .string(figure.unit),
      "from": .string(model.measurements.origin(of: figure)),
    ]
  }

  private var outlook: JSONValue {
    let agents = Double(load.agents)
    return [
      "heartbeat_cpu_us": [
        "server": number(model.heartbeatCost(.steadyServer) * 1e6), "broker": number(model.heartbeatCost(.steadyBroker) * 1e6),
        "database": number(model.heartbeatCost(.steadyDatabase) * 1e6),
      ],
      "measured_lag_p99_ms": number(model.measurements[.steadyLag]),
      "outage_seconds": number(model.outage(load)), "catch_up_seconds": model.catchUp(load, on: machine).map { number($0) } ?? .null,
      "outage_disk_bytes": number(model.outageDisk(load)),
      "all_back_seconds": number(model.comeback(load, on: machine)),
      "all_delivered_seconds": number(agents / model.measurements[.deliveredRate]),
      "all_stored_seconds": number(agents / model.measurements[.storedRate]),
      "network_bytes_per_second": number(model.network(load)), "agent_rows_bytes": number(agents * CapacityReference.agentRowBytes),
      "agent_resident_mb": number(model.measurements[.agentMemory]), "agent_cpu_percent": number(model.measurements[.agentProcessor]),
    ]
  }
}
