import MySQL

/// The history of the server's tables.
///
/// SQL that MariaDB 10.6 and MySQL 8 share. Every text is `utf8mb4_bin`, so that ids and tokens are compared byte for byte (but for spaces at
/// the end: this collation pads, which is why the stores compare again). No foreign keys: operators delete agents by hand, as the guide says.
/// Each statement may run twice, because a migration that died in the middle goes on with the one that was not recorded.
public enum Schema {
  /// Every step, in order.
  public static let migrations = [
    Migration(version: 1, name: "create the fleet's tables", statements: [clients, agents, commands, systemEvents]),
    Migration(
      version: 2, name: "follow commands to their end, tag agents and keep events",
      statements: [commandLifecycle, agentConfigurationAndNotices, agentTags, fleetEvents]),
    Migration(version: 3, name: "roll commands out over many agents", statements: [rollouts, rolloutTargets]),
    Migration(
      version: 4, name: "react to what happens to agents",
      statements: [leases, agentOfflineSince, knownOffline, agentNotices, reactions, reactionRuns]),
    Migration(version: 5, name: "find commands that ended long ago", statements: [commandsAge]),
    Migration(version: 6, name: "find agents that have fallen silent", statements: [agentsSilence, noAgentsLastHeartbeat]),
  ]

  private static let clients = """
    CREATE TABLE IF NOT EXISTS clients (
      id VARCHAR(64) NOT NULL PRIMARY KEY,
      name VARCHAR(255) NOT NULL,
      email VARCHAR(255) NULL,
      client_token VARCHAR(255) NOT NULL,
      is_active TINYINT(1) NOT NULL DEFAULT 1,
      created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
      UNIQUE KEY clients_token (client_token)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  private static let agents = """
    CREATE TABLE IF NOT EXISTS agents (
      agent_key BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
      id CHAR(36) NOT NULL,
      client_id VARCHAR(64) NOT NULL,
      logical_agent_id VARCHAR(240) NOT NULL,
      hostname VARCHAR(255) NULL,
      instance_id VARCHAR(64) NULL,
      instance_type VARCHAR(64) NULL,
      region VARCHAR(64) NULL,
      az VARCHAR(64) NULL,
      ami_id VARCHAR(64) NULL,
      agent_version VARCHAR(64) NULL,
      mode VARCHAR(16) NOT NULL DEFAULT 'unknown',
      private_ip VARCHAR(64) NULL,
      public_ip VARCHAR(64) NULL,
      status VARCHAR(16) NOT NULL DEFAULT 'offline',
      transport VARCHAR(8) NOT NULL DEFAULT 'amqp',
      last_heartbeat_at TIMESTAMP(3) NULL,
      monitored_instances LONGTEXT NULL,
      session_id VARCHAR(64) NULL,
      registration_sent_at TIMESTAMP(3) NULL,
      registered_at TIMESTAMP(3) NULL,
      generation INT UNSIGNED NOT NULL DEFAULT 0,
      queue VARCHAR(255) NULL,
      config LONGTEXT NULL,
      created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
      UNIQUE KEY agents_id (id),
      UNIQUE KEY agents_logical_id (client_id, logical_agent_id),
      KEY agents_last_heartbeat (last_heartbeat_at),
      KEY agents_status (status)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  private static let commands = """
    CREATE TABLE IF NOT EXISTS commands (
      seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
      id VARCHAR(64) NOT NULL DEFAULT (UUID()),
      agent_id CHAR(36) NOT NULL,
      command_type VARCHAR(128) NOT NULL,
      parameters LONGTEXT NULL,
      priority INT NOT NULL DEFAULT 25,
      status VARCHAR(16) NOT NULL DEFAULT 'pending',
      created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      expires_at TIMESTAMP(3) NULL,
      timeout_seconds INT NULL,
      lease_until TIMESTAMP(3) NULL,
      attempts INT NOT NULL DEFAULT 0,
      generation INT UNSIGNED NULL,
      queued_at TIMESTAMP(3) NULL,
      started_at TIMESTAMP(3) NULL,
      finished_at TIMESTAMP(3) NULL,
      output LONGTEXT NULL,
      error TEXT NULL,
      UNIQUE KEY commands_id (id),
      KEY commands_outbox (status, priority, seq),
      KEY commands_expiry (status, expires_at),
      KEY commands_agent (agent_id, status)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  private static let systemEvents = """
    CREATE TABLE IF NOT EXISTS system_events (
      id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
      timestamp TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      event_type VARCHAR(64) NOT NULL,
      severity VARCHAR(16) NOT NULL DEFAULT 'info',
      client_id VARCHAR(64) NULL,
      agent_id VARCHAR(64) NULL,
      source VARCHAR(255) NULL,
      message TEXT NULL,
      metadata LONGTEXT NULL,
      KEY system_events_type (event_type, timestamp),
      KEY system_events_age (timestamp)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """
}
