/// Version 3: rollouts, and what each of their targets has come to.
extension Schema {
  /// The shares as they were written and, once the targets are known, as numbers. The counts are those of `rollout_targets`: they change only together with it,
  /// under the lock of this row.
  static let rollouts = """
    CREATE TABLE IF NOT EXISTS rollouts (
      id VARCHAR(64) NOT NULL PRIMARY KEY,
      state VARCHAR(16) NOT NULL DEFAULT 'preparing',
      reason TEXT NULL,
      command_type VARCHAR(128) NOT NULL,
      parameters LONGTEXT NULL,
      target TEXT NOT NULL,
      concurrency VARCHAR(16) NOT NULL,
      max_errors VARCHAR(16) NOT NULL,
      canary VARCHAR(16) NULL,
      concurrency_limit INT NULL,
      error_limit INT NULL,
      canary_size INT NULL,
      canary_error_limit INT NULL,
      errors_forgiven INT NOT NULL DEFAULT 0,
      priority INT NOT NULL,
      timeout_seconds INT NOT NULL,
      deliver_within_seconds INT NOT NULL,
      lifetime_seconds INT NOT NULL,
      created_by VARCHAR(128) NULL,
      created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      start_at TIMESTAMP(3) NULL,
      prepared_to BIGINT UNSIGNED NOT NULL DEFAULT 0,
      prepared_at TIMESTAMP(3) NULL,
      started_at TIMESTAMP(3) NULL,
      paused_at TIMESTAMP(3) NULL,
      give_up_at TIMESTAMP(3) NULL,
      finished_at TIMESTAMP(3) NULL,
      retry_before TIMESTAMP(3) NULL,
      cancel_running TINYINT(1) NOT NULL DEFAULT 0,
      waiting INT NOT NULL DEFAULT 0,
      sent INT NOT NULL DEFAULT 0,
      succeeded INT NOT NULL DEFAULT 0,
      failed INT NOT NULL DEFAULT 0,
      timed_out INT NOT NULL DEFAULT 0,
      cancelled INT NOT NULL DEFAULT 0,
      called_off INT NOT NULL DEFAULT 0,
      given_up INT NOT NULL DEFAULT 0,
      gone INT NOT NULL DEFAULT 0,
      KEY rollouts_unfinished (finished_at, state),
      KEY rollouts_age (created_at)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """

  /// `place` is the order in which they get their command, shuffled, so that the canary is a sample and a wave does not take one zone at a time.
  static let rolloutTargets = """
    CREATE TABLE IF NOT EXISTS rollout_targets (
      rollout_id VARCHAR(64) NOT NULL,
      agent_key BIGINT UNSIGNED NOT NULL,
      place INT UNSIGNED NOT NULL,
      agent_id CHAR(36) NOT NULL,
      client_id VARCHAR(64) NOT NULL,
      logical_agent_id VARCHAR(240) NOT NULL,
      state VARCHAR(16) NOT NULL DEFAULT 'waiting',
      command_id VARCHAR(64) NULL,
      attempts INT NOT NULL DEFAULT 0,
      error VARCHAR(255) NULL,
      sent_at TIMESTAMP(3) NULL,
      ended_at TIMESTAMP(3) NULL,
      PRIMARY KEY (rollout_id, agent_key),
      KEY rollout_targets_next (rollout_id, state, place)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
    """
}
