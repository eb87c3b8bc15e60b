/// What the calculation takes for granted, in words: whoever reads a table of it has to know.
extension CapacityReport {
  /// A sentence or two for each.
  var assumptions: [String] {
    let measurements = model.measurements
    return [
      "Server, broker and database are on this one machine, one of each, and nothing else runs there: "
        + "\(CapacityText.bytes(CapacityReference.systemMemory)) are left to the system and "
        + "\(CapacityText.bytes(CapacityReference.databaseMemory)) to the database. Both are estimates.",
      "Processor time grows with the heartbeats as it was measured at \(CapacityText.number(measurements[.steadyRate])) a second, is spread over all "
        + "cores, and each core is as fast as one of the machine that was measured. More heartbeats at once are cheaper: a server that drains a backlog "
        + "takes \(CapacityText.number(measurements[.drainCost])) µs for one.",
      "Heartbeats were measured over few connections. Over one for each agent they cost the broker more; how much was not measured. What an idle connection "
        + "costs is counted (\(CapacityText.number(CapacityReference.quietMicroseconds)) µs of processor time a second), TLS is not.",
      "The heartbeats' queue is one process of the broker, which no further core and no further server makes faster. What it carries for good is reckoned "
        + "from the rates at which it took in and gave out, each measured alone (\(CapacityText.number(model.publishRate(machine))) and "
        + "\(CapacityText.number(model.drainRate(machine))) a second). Whatever else slowed the measurement down is counted as the queue's.",
      "An agent takes \(CapacityText.number(model.footprint.memory / 1024)) KiB of the broker, as measured with RabbitMQ \(model.footprint.version) just after it has "
        + "connected. The broker takes messages up to \(CapacityText.number(CapacityReference.brokerMemoryShare * 100))% of the machine's memory.",
      "An agent takes \(CapacityText.number(CapacityReference.brokerProcesses)) processes of Erlang and \(CapacityText.number(CapacityReference.brokerFiles)) "
        + "open files at the broker, as measured with RabbitMQ 3.10; a node has \(Int(CapacityReference.erlangProcessLimit)) processes.",
      "Logins grow with the cores. All agents have to be back within \(DurationWord.shown(load.backWithin)) (--back-within); after AGENT_HEARTBEAT_TIMEOUT, "
        + "\(DurationWord.shown(CapacityReference.offlineSeconds)) unless it is set, who is not back is called offline.",
      "Commands, their output, events and agents that register for the first time are not counted; nor are disks, nor tables that have grown.",
      "It is a calculation: nobody has tried these fleets on these machines.",
    ]
  }
}
