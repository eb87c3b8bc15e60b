// Every metric of the server. docs/metrics.md lists the same, and a test holds the two together.
extension MetricDescription {
  /// In the order of the page.
  public static let catalogue: [MetricDescription] = [
    buildInfo, messages, batchMessages, verifyDuration, commitDuration, ingestLag, dispatchedCommands, dispatchLatency, finishedCommands,
    publishedEvents, authFailures, httpRequests, httpRequestDuration, poolConnections, poolSize, poolWaiting, databaseUp, brokerConnected,
    brokerBlocked, agents, commands, waitingEvents, queueMessages, queueConsumers, processCPU, processResidentMemory, processVirtualMemory,
    processOpenFiles, processMostFiles, processStart,
  ]

  static let buildInfo = MetricDescription(
    "spot_optimizer_build_info", .gauge, labels: ["version", "role"], "Always 1; which version runs, in which role.")

  // Inbox

  static let messages = MetricDescription(
    "spot_optimizer_messages_total", .counter, labels: ["queue", "outcome"],
    "Messages of agents that were dealt with, by what became of them: accepted, refused or dead_lettered.")
  static let batchMessages = MetricDescription(
    "spot_optimizer_batch_messages", .histogram, labels: ["queue"], "Messages that were dealt with together.")
  static let verifyDuration = MetricDescription(
    "spot_optimizer_verify_duration_seconds", .histogram, labels: ["queue"],
    "Time to check signature, client and body of the messages that one read brought.")
  static let commitDuration = MetricDescription(
    "spot_optimizer_commit_duration_seconds", .histogram, labels: ["queue"],
    "Time of the database to store a batch, or a registration or notice.")
  static let ingestLag = MetricDescription(
    "spot_optimizer_ingest_lag_seconds", .histogram,
    "Time from an agent's sending a heartbeat to its being stored; of the last heartbeat of each batch.")

  // Commands and events

  static let dispatchedCommands = MetricDescription(
    "spot_optimizer_dispatched_commands_total", .counter, labels: ["outcome"],
    "Commands that were taken up to be sent: queued at the broker, postponed, or undeliverable.")
  static let dispatchLatency = MetricDescription(
    "spot_optimizer_dispatch_latency_seconds", .histogram,
    "Time from a command's being written to the broker's having it in the agent's queue; of those sent at the first attempt.")
  static let finishedCommands = MetricDescription(
    "spot_optimizer_commands_finished_total", .counter, labels: ["status"],
    "Commands that have ended, counted when the event of it is published.")
  static let publishedEvents = MetricDescription(
    "spot_optimizer_events_published_total", .counter, labels: ["type"], "Events that were published to subscribers.")

  // Front

  static let authFailures = MetricDescription(
    "spot_optimizer_auth_failures_total", .counter, labels: ["reason"],
    "Requests and messages that were refused for their token or their client.")
  static let httpRequests = MetricDescription(
    "spot_optimizer_http_requests_total", .counter, labels: ["route", "status"], "Requests that the HTTP front has answered.")
  static let httpRequestDuration = MetricDescription(
    "spot_optimizer_http_request_duration_seconds", .histogram, labels: ["route"], "Time to answer a request.")

  // Database and broker

  static let poolConnections = MetricDescription(
    "spot_optimizer_database_pool_connections", .gauge, labels: ["state"],
    "Connections of this process's pool: in_use, idle or connecting.")
  static let poolSize = MetricDescription(
    "spot_optimizer_database_pool_size", .gauge, "Connections that the pool may have (DB_POOL_SIZE).")
  static let poolWaiting = MetricDescription(
    "spot_optimizer_database_pool_waiting", .gauge, "Tasks that wait for a connection of the pool.")
  static let databaseUp = MetricDescription(
    "spot_optimizer_database_up", .gauge, "1 when the database answered at the last look, else 0.")
  static let brokerConnected = MetricDescription(
    "spot_optimizer_broker_connected", .gauge, labels: ["connection"],
    "1 while this connection to the broker is up, else 0: consume, publish or events.")
  static let brokerBlocked = MetricDescription(
    "spot_optimizer_broker_blocked", .gauge, labels: ["connection"],
    "1 while an alarm keeps the broker from taking messages of this connection, else 0.")

  // Fleet

  static let agents = MetricDescription(
    "spot_optimizer_agents", .gauge, labels: ["status"], "Agents in the database, of the whole fleet.")
  static let commands = MetricDescription(
    "spot_optimizer_commands", .gauge, labels: ["status"], "Commands in the database that have not ended, of the whole fleet.")
  static let waitingEvents = MetricDescription(
    "spot_optimizer_events_waiting", .gauge, "Events in the database that are not published yet, of the whole fleet.")
  static let queueMessages = MetricDescription(
    "spot_optimizer_queue_messages", .gauge, labels: ["queue"],
    "Messages that wait at the broker; those that a server is working on are not counted.")
  static let queueConsumers = MetricDescription(
    "spot_optimizer_queue_consumers", .gauge, labels: ["queue"], "Servers that consume this queue.")

  // Process

  static let processCPU = MetricDescription(
    "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
  static let processResidentMemory = MetricDescription("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.")
  static let processVirtualMemory = MetricDescription("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.")
  static let processOpenFiles = MetricDescription("process_open_fds", .gauge, "Number of open file descriptors.")
  static let processMostFiles = MetricDescription("process_max_fds", .gauge, "Maximum number of open file descriptors.")
  static let processStart = MetricDescription(
    "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.")
}
