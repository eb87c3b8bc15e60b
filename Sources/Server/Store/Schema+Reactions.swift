/// Version 4: who publishes events, when agents went offline, spot notices as they came, and reactions.
extension Schema {
  /// Work that one process of all does at a time.
  static let leases = """
    CREATE TABLE IF NOT EXISTS leases (
      name VARCHAR(64) NOT NULL PRIMARY KEY,
      holder VARCHAR(64) NOT NULL,
      until TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  /// `offline_since` is there from the event `agent.offline` to the next `agent.online`. By the key, those that are back and not yet told of are found
  /// at once, however large the fleet is.
  static let agentOfflineSince = """
    ALTER TABLE agents
      ADD COLUMN offline_since TIMESTAMP(3) NULL,
      ADD KEY agents_offline (status, offline_since)
    """

  /// Those that are offline already are not news.
  static let knownOffline = """
    UPDATE agents SET offline_since = COALESCE(last_heartbeat_at, created_at), updated_at = updated_at \
    WHERE status = 'offline' AND offline_since IS NULL
    """

  /// Each notice once, however often it comes.
  static let agentNotices = """
    CREATE TABLE IF NOT EXISTS agent_notices (
      agent_key BIGINT UNSIGNED NOT NULL,
      kind VARCHAR(16) NOT NULL,
      time TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      instance_id VARCHAR(64) NOT NULL DEFAULT '',
      action VARCHAR(64) NULL,
      received_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      PRIMARY KEY (agent_key, kind, time, instance_id),
      KEY agent_notices_age (received_at)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  /// What is to happen when something happens.
  static let reactions = """
    CREATE TABLE IF NOT EXISTS reactions (
      id CHAR(36) NOT NULL PRIMARY KEY,
      name VARCHAR(64) NOT NULL,
      event_type VARCHAR(64) NOT NULL,
      client_id VARCHAR(64) NULL,
      agent_condition TEXT NULL,
      target TEXT NOT NULL,
      command_type VARCHAR(128) NOT NULL,
      parameters MEDIUMTEXT NOT NULL,
      priority INT NOT NULL DEFAULT 100,
      deliver_within_seconds INT NULL,
      timeout_seconds INT NULL,
      limit_per_minute INT NOT NULL DEFAULT 60,
      is_enabled TINYINT(1) NOT NULL DEFAULT 1,
      created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
      UNIQUE KEY reactions_name (name),
      KEY reactions_event (event_type, is_enabled)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  /// What a reaction made of an event; the limit is counted by it.
  static let reactionRuns = """
    CREATE TABLE IF NOT EXISTS reaction_runs (
      seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
      reaction_id CHAR(36) NOT NULL,
      time TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      event_id CHAR(36) NOT NULL,
      agent_id CHAR(36) NOT NULL,
      commands INT NOT NULL DEFAULT 0,
      held_back INT NOT NULL DEFAULT 0,
      problem TEXT NULL,
      KEY reaction_runs_limit (reaction_id, time, commands),
      KEY reaction_runs_age (time)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """
}
