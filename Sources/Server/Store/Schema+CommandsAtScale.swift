/// Version 2: what commands need beyond being sent and answered, tags, configuration versions, spot notices, and the events' outbox.
extension Schema {
  static let commandLifecycle = """
    ALTER TABLE commands
      ADD COLUMN delivered_at TIMESTAMP(3) NULL AFTER queued_at,
      ADD COLUMN run_until TIMESTAMP(3) NULL AFTER finished_at,
      ADD COLUMN cancel_requested_at TIMESTAMP(3) NULL AFTER run_until,
      ADD COLUMN cancel_generation INT UNSIGNED NULL AFTER cancel_requested_at,
      ADD COLUMN ended_by VARCHAR(8) NULL AFTER cancel_generation,
      ADD COLUMN exit_code INT NULL AFTER output,
      ADD COLUMN stdout LONGTEXT NULL AFTER exit_code,
      ADD COLUMN stderr LONGTEXT NULL AFTER stdout,
      ADD COLUMN stdout_bytes BIGINT NULL AFTER stderr,
      ADD COLUMN stderr_bytes BIGINT NULL AFTER stdout_bytes,
      ADD COLUMN stream_output TINYINT(1) NOT NULL DEFAULT 0,
      ADD COLUMN source VARCHAR(128) NULL,
      ADD COLUMN rollout_id VARCHAR(64) NULL,
      ADD KEY commands_rollout (rollout_id, status),
      ADD KEY commands_cancel (status, cancel_requested_at),
      ADD KEY commands_running (status, run_until)
    """

  static let agentConfigurationAndNotices = """
    ALTER TABLE agents
      ADD COLUMN config_version INT UNSIGNED NOT NULL DEFAULT 0 AFTER config,
      ADD COLUMN applied_config_version INT UNSIGNED NULL AFTER config_version,
      ADD COLUMN interruption_action VARCHAR(64) NULL,
      ADD COLUMN interruption_time TIMESTAMP(3) NULL,
      ADD COLUMN rebalance_time TIMESTAMP(3) NULL
    """

  /// One row a name. An agent says its own value, an operator another; `value` is the one that holds: the operator's.
  static let agentTags = """
    CREATE TABLE IF NOT EXISTS agent_tags (
      agent_key BIGINT UNSIGNED NOT NULL,
      name VARCHAR(64) NOT NULL,
      agent_value VARCHAR(255) NULL,
      operator_value VARCHAR(255) NULL,
      value VARCHAR(255) GENERATED ALWAYS AS (COALESCE(operator_value, agent_value)) STORED,
      PRIMARY KEY (agent_key, name),
      KEY agent_tags_value (name, value, agent_key)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  /// Written in the transaction of what they tell, published after it (`published_at`), and kept for a while.
  static let fleetEvents = """
    CREATE TABLE IF NOT EXISTS fleet_events (
      seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
      id CHAR(36) NOT NULL,
      time TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      type VARCHAR(64) NOT NULL,
      client_id VARCHAR(64) NULL,
      subject VARCHAR(255) NULL,
      data LONGTEXT NOT NULL,
      published_at TIMESTAMP(3) NULL,
      UNIQUE KEY fleet_events_id (id),
      KEY fleet_events_outbox (published_at, seq),
      KEY fleet_events_type (type, seq),
      KEY fleet_events_age (time)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """
}
