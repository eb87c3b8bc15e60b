/// Everything that the pages name, in the order of the longer one.
///
/// Words that a page has twice have a case for each state that they are of, and one case when they are typed.
enum GuideTable {
  static let cases: [GuideCase] = [
    // 1. Connection error: cannot reach the server
    GuideCase(
      "WARNING - Connection error (attempt 1/3): GET http://your-server:5000/health - retrying in 1s", .serverDown, .written(by: .agent)),
    GuideCase(
      "WARNING - Connection error (attempt 2/3): GET http://your-server:5000/health - retrying in 2s", .serverDown, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: GET http://your-server:5000/health - [Errno 111] Connection refused", .serverDown,
      .written(by: .agent)),
    GuideCase("ERROR - Server URL configured as: http://your-server:5000", .serverDown, .written(by: .agent)),
    GuideCase("ERROR - Verify server is running and CLIENT_TOKEN is valid", .serverDown, .written(by: .agent)),
    GuideCase("✗ Server is not reachable (health check failed)", .serverDown, .written(by: .agent)),
    GuideCase("What to check:", .serverDown, .written(by: .agent)),
    GuideCase("  - that the server runs and is healthy: curl -i http://your-server:5000/health", .serverDown, .written(by: .agent)),
    GuideCase("  - that SPOT_OPTIMIZER_SERVER_URL is its address, and that its name can be resolved", .serverDown, .written(by: .agent)),
    GuideCase("  - that security groups, network ACLs and proxies let this machine reach its port", .serverDown, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: GET http://no-such-server.invalid:5000/health - [Errno -2] Name or service not known",
      .unresolvableName, .written(by: .agent)),
    GuideCase("ERROR - HTTP error 404: GET http://your-server:5000/backend/health", .wrongAddress, .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Not found"}"#, .wrongAddress, .written(by: .agent)),
    GuideCase("ERROR - HTTP error 503: GET http://your-server:5000/health", .noDatabase, .written(by: .agent)),
    GuideCase(
      #"ERROR - Response: {"error": "Database unavailable", "broker": "connected", "database": "disconnected", "status": "unhealthy", …}"#,
      .noDatabase, .written(by: .agent)),
    GuideCase("✗ Server answers with 503 (health check failed)", .noDatabase, .written(by: .agent)),
    GuideCase(
      "ERROR - Database cannot be reached: … cannot connect to …: Can't connect to server on '…': refused or unreachable; … - work is held and tried again",
      .noDatabase, .written(by: .server)),

    // 2. HTTP error 401: invalid client token
    GuideCase("ERROR - HTTP error 401: POST http://your-server:5000/api/broker/credentials", .badToken, .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Invalid client token"}"#, .badToken, .written(by: .agent)),
    GuideCase("ERROR - Authentication failed - check CLIENT_TOKEN configuration", .badToken, .written(by: .agent)),
    GuideCase("ERROR - Current token: abc12345...xyz9", .badToken, .written(by: .agent)),
    GuideCase(
      "WARNING - Invalid client token attempt - token: abc12345...xyz9, endpoint: /api/broker/credentials", .badToken, .written(by: .server)
    ),
    GuideCase("echo $SPOT_OPTIMIZER_CLIENT_TOKEN", .shell, .typed(answer: "YOUR_TOKEN")),
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "SELECT id, name, is_active FROM clients WHERE client_token = 'YOUR_TOKEN';""#, .atWork,
      .typed(answer: "is_active")),
    GuideCase("NEW_TOKEN=$(cat /proc/sys/kernel/random/uuid)", .shell, .typed(answer: "")),
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "INSERT INTO clients (id, name, email, client_token, is_active) VALUES (UUID(), 'My Company', 'admin@company.com', '$NEW_TOKEN', 1);""#,
      .shell, .typed(answer: "")),
    GuideCase("export SPOT_OPTIMIZER_CLIENT_TOKEN=$NEW_TOKEN", .shell, .typed(answer: "")),
    GuideCase("spotctl clients create 'My Company'", .shell, .typed(answer: "client_token")),
    GuideCase(
      "ERROR - AMQP error 401: PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001", .changedToken, .written(by: .agent)
    ),
    GuideCase(#"ERROR - Response: {"error": "Invalid client token"}"#, .changedToken, .written(by: .agent)),
    GuideCase("ERROR - Authentication failed - check CLIENT_TOKEN configuration", .changedToken, .written(by: .agent)),
    GuideCase("ERROR - Current token: abc12345...xyz9", .changedToken, .written(by: .agent)),

    // 3. HTTP error 403: client account not active
    GuideCase("ERROR - HTTP error 403: POST http://your-server:5000/api/broker/credentials", .disabledClient, .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Client account is not active"}"#, .disabledClient, .written(by: .agent)),
    GuideCase("ERROR - Authentication failed - check CLIENT_TOKEN configuration", .disabledClient, .written(by: .agent)),
    GuideCase(
      "ERROR - AMQP error 403: PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001", .disabledWhileRunning,
      .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Client account is not active"}"#, .disabledWhileRunning, .written(by: .agent)),
    GuideCase("ERROR - Authentication failed - check CLIENT_TOKEN configuration", .disabledWhileRunning, .written(by: .agent)),
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "UPDATE clients SET is_active = 1 WHERE client_token = 'YOUR_TOKEN';""#, .enabling,
      .typed(answer: "")),
    GuideCase("spotctl clients enable acme", .enabling, .typed(answer: "yes")),

    // 4. Error 404: agent not found
    GuideCase(
      "ERROR - AMQP error 404: PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001", .deletedRow, .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Agent not found"}"#, .deletedRow, .written(by: .agent)),
    GuideCase(
      "INFO - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) is not known to the server and registers again", .deletedRow,
      .written(by: .agent)),
    GuideCase(
      "INFO - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) is registered for the client acme: queue agent.acme.agent-001.1, a heartbeat every 30s",
      .deletedRow, .written(by: .agent)),
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "SELECT * FROM agents WHERE logical_agent_id = 'YOUR_LOGICAL_ID';""#, .atWork,
      .typed(answer: "online")),

    // 5. Request timeout
    GuideCase(
      "WARNING - Request timeout (attempt 1/3): GET http://your-server:5000/health - retrying in 1s", .droppedPackets, .written(by: .agent)),
    GuideCase(
      "WARNING - Request timeout (attempt 2/3): GET http://your-server:5000/health - retrying in 2s", .droppedPackets, .written(by: .agent)),
    GuideCase(
      "ERROR - Request timeout after 3 attempts: GET http://your-server:5000/health - Connect timed out.", .droppedPackets,
      .written(by: .agent)),
    GuideCase(
      "ERROR - Request timeout after 3 attempts: GET http://your-server:5000/health - Read timed out.", .silentServer, .written(by: .agent)),
    GuideCase("ERROR - HTTP error 503: POST http://your-server:5000/api/broker/credentials", .slowDatabase, .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Database unavailable"}"#, .slowDatabase, .written(by: .agent)),
    GuideCase(
      "ERROR - POST /api/broker/credentials from 127.0.0.1 answered 503: MySQL error 1205 (HY000): Lock wait timeout exceeded; …",
      .slowDatabase, .written(by: .server)),

    // 6. The broker cannot be reached
    GuideCase(
      "ERROR - Connection error after 3 attempts: PUBLISH amqp://your-broker:5672/spot-optimizer/register.acme.agent-001 - [Errno 111] Connection refused",
      .closedBrokerPort, .written(by: .agent)),
    GuideCase("ERROR - Server URL configured as: http://your-server:5000", .closedBrokerPort, .written(by: .agent)),
    GuideCase("ERROR - Verify server is running and CLIENT_TOKEN is valid", .closedBrokerPort, .written(by: .agent)),
    GuideCase(
      "WARNING - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) lost its connection to the broker: …", .brokerStopped,
      .written(by: .agent)),
    GuideCase(
      "WARNING - Connection error (attempt 1/3): PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001 - retrying in 1s",
      .brokerStopped, .written(by: .agent)),
    GuideCase(
      "WARNING - Connection error (attempt 2/3): PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001 - retrying in 2s",
      .brokerStopped, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001 - …",
      .brokerStopped, .written(by: .agent)),
    GuideCase("ERROR - Server URL configured as: http://your-server:5000", .brokerStopped, .written(by: .agent)),
    GuideCase("ERROR - Verify server is running and CLIENT_TOKEN is valid", .brokerStopped, .written(by: .agent)),
    GuideCase(
      "WARNING - Connection error (attempt 4): PUBLISH amqp://your-broker:5672/spot-optimizer/heartbeat.acme.agent-001 - [Errno 111] Connection refused - retrying in 4.2s",
      .brokerStopped, .written(by: .agent)),
    GuideCase("ERROR - Consuming connection to amqp://your-broker:5672/spot-optimizer: …", .brokerStopped, .written(by: .server)),
    GuideCase("ERROR - Publishing connection to amqp://your-broker:5672/spot-optimizer: …", .brokerStopped, .written(by: .server)),
    GuideCase("ERROR - HTTP error 503: GET http://your-server:5000/health", .startWithoutBroker, .written(by: .agent)),
    GuideCase(
      #"ERROR - Response: {"error": "Broker unavailable", "broker": "disconnected", "database": "connected", "status": "unhealthy", …}"#,
      .startWithoutBroker, .written(by: .agent)),

    // 7. The broker refuses the login
    GuideCase(
      "WARNING - Agent agent-001: login refused by your-broker:5672: ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.; asking the server for a new credential",
      .foreignKey, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: PUBLISH amqp://your-broker:5672/spot-optimizer/register.acme.agent-001 - login refused by your-broker:5672: ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile. - the broker refuses a credential that the server has just signed: see that it has the plugin rabbitmq_auth_backend_oauth2 enabled and the public key that belongs to the server's signing key",
      .foreignKey, .written(by: .agent)),
    GuideCase(
      "ERROR - Consuming connection to amqp://your-broker:5672/spot-optimizer: login refused by your-broker:5672: ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.; check the user and password in AMQP_URL - retrying in 1s",
      .wrongPassword, .written(by: .server)),

    // 8. The agent's queue is gone
    GuideCase(
      "WARNING - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) lost its queue agent.acme.agent-001.1 and registers again: the broker ended the consumer: its queue was deleted or its node is gone",
      .queueGone, .written(by: .agent)),
    GuideCase(
      "INFO - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) takes its commands from the queue agent.acme.agent-001.2", .queueGone,
      .written(by: .agent)),

    // 9. The broker is out of memory or disk: publishers are blocked
    GuideCase(
      "WARNING - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) publishes nothing: the broker takes no messages (low on memory)",
      .lowMemory, .written(by: .agent)),
    GuideCase(
      "INFO - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) publishes again: the broker takes messages", .lowMemory,
      .written(by: .agent)),
    GuideCase(
      "WARNING - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) publishes nothing: the broker takes no messages (low on disk)",
      .lowDisk, .written(by: .agent)),
    GuideCase("ERROR - The broker takes no messages: low on memory - see `rabbitmqctl status`", .alarmOnServer, .written(by: .server)),
    GuideCase("INFO - The broker takes messages again", .alarmOnServer, .written(by: .server)),
    GuideCase("rabbitmqctl status", .lowMemoryShell, .typed(answer: "Memory alarm on node")),

    // 10. The backlog grows
    GuideCase("rabbitmqctl list_queues -p spot-optimizer name messages consumers", .backlog, .typed(answer: "fleet.heartbeats\t[1-9]")),

    // 11. A partition of the broker's cluster
    GuideCase("rabbitmqctl cluster_status", .shell, .typed(answer: "Network Partitions")),
    GuideCase("spotctl doctor", .shell, .typed(answer: "pass  broker login")),

    // 12. TLS
    GuideCase("ERROR - Connection error after 3 attempts: GET https://your-server:5000/health - TLS: …", .plainHTTP, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: GET https://your-server/health - TLS: SSL certificate problem: self-signed certificate",
      .untrustedHTTPS, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: PUBLISH amqps://your-broker:5672/spot-optimizer/register.acme.agent-001 - TLS with your-broker:5672 failed: SSL handshake failed",
      .plainAMQP, .written(by: .agent)),
    GuideCase(
      "ERROR - Connection error after 3 attempts: PUBLISH amqps://your-broker:5671/spot-optimizer/register.acme.agent-001 - TLS with your-broker:5671 failed: SSL peer cert verification failed",
      .untrustedAMQPS, .written(by: .agent)),
    GuideCase(
      "ERROR - Consuming connection to amqps://your-broker:5671/spot-optimizer: TLS with your-broker:5671 failed: SSL peer cert verification failed - retrying in 1s",
      .untrustedAMQPS, .written(by: .server)),

    // 13. Another agent under the same name
    GuideCase(
      "ERROR - AMQP error 409: PUBLISH amqp://your-broker:5672/spot-optimizer/register.acme.agent-001", .sameName, .written(by: .agent)),
    GuideCase(#"ERROR - Response: {"error": "Another agent runs under this logical id"}"#, .sameName, .written(by: .agent)),
    GuideCase(
      "ERROR - Another agent runs under the logical id agent-001: stop one of them, or give each a LOGICAL_AGENT_ID of its own - retrying in 42.7s",
      .sameName, .written(by: .agent)),
    GuideCase(
      "WARNING - Refused register.acme.agent-001: Another agent runs under this logical id: instance … has registered as 'agent-001' since and is alive; agent 839ca70c-c872-45ab-9b5c-3267a9b2e753",
      .sameName, .written(by: .server)),

    // Agent environment variables
    GuideCase("SPOT_OPTIMIZER_SERVER_URL=http://your-server:5000", .checklist, .given(to: .agent)),
    GuideCase("SPOT_OPTIMIZER_CLIENT_TOKEN=your-client-token-here", .checklist, .given(to: .agent)),
    GuideCase("LOGICAL_AGENT_ID=agent-001", .checklist, .given(to: .agent)),
    GuideCase("AWS_REGION=us-east-1", .checklist, .given(to: .agent)),
    GuideCase("HEARTBEAT_INTERVAL=30", .checklist, .given(to: .agent)),
    GuideCase("PENDING_COMMANDS_CHECK_INTERVAL=15", .checklist, .given(to: .agent)),
    GuideCase("SPOT_OPTIMIZER_SERVER_URL = required", .defaults, .shown("SPOT_OPTIMIZER_SERVER_URL is not set")),
    GuideCase("SPOT_OPTIMIZER_CLIENT_TOKEN = required", .defaults, .shown("SPOT_OPTIMIZER_CLIENT_TOKEN is not set")),
    GuideCase("HEARTBEAT_INTERVAL = 30", .defaults, .shown("a heartbeat every 30s")),
    GuideCase("LOG_LEVEL = INFO", .defaults, .shown(" INFO - Agent agent-002 is connected")),
    GuideCase("PENDING_COMMANDS_CHECK_INTERVAL = not used", .defaults, .shown("is no longer used: commands arrive when they are written")),

    // Server environment variables
    GuideCase("AMQP_URL=amqp://spot-optimizer-server:password@your-broker:5672/spot-optimizer", .checklist, .given(to: .server)),
    GuideCase("DB_HOST=localhost", .checklist, .given(to: .server)),
    GuideCase("DB_PORT=3306", .checklist, .given(to: .server)),
    GuideCase("DB_USER=spotuser", .checklist, .given(to: .server)),
    GuideCase("DB_PASSWORD=SpotUser2024!", .checklist, .given(to: .server)),
    GuideCase("DB_NAME=spot_optimizer", .checklist, .given(to: .server)),
    GuideCase("AGENT_HEARTBEAT_TIMEOUT=120", .checklist, .given(to: .server)),
    GuideCase("AMQP_URL = required", .defaults, .shown("AMQP_URL is not set")),
    GuideCase("DB_HOST = localhost", .defaults, .shown("spotuser@localhost:3306/spot_optimizer")),
    GuideCase("DB_PORT = 3306", .defaults, .shown("spotuser@localhost:3306/spot_optimizer")),
    GuideCase("DB_USER = spotuser", .defaults, .shown("spotuser@localhost:3306/spot_optimizer")),
    GuideCase("DB_NAME = spot_optimizer", .defaults, .shown("spotuser@localhost:3306/spot_optimizer")),
    GuideCase("AGENT_HEARTBEAT_TIMEOUT = 120", .defaults, .shown("120 s without one make it offline")),
    GuideCase("HTTP_PORT = 5000", .defaults, .shown("127.0.0.1:5000/health")),

    // Verify the configuration
    GuideCase("curl -I http://your-server:5000/health", .shell, .typed(answer: "200")),
    GuideCase(
      #"curl -H "Authorization: Bearer YOUR_TOKEN" -H "Content-Type: application/json" http://your-server:5000/api/agents/test-id/config"#,
      .shell, .typed(answer: "Agent not found")),
    GuideCase(
      #"curl -H "Authorization: Bearer wrong" http://your-server:5000/api/agents/test-id/config"#, .shell,
      .typed(answer: "Invalid client token")),

    // Exit codes of the agent
    GuideCase("exit code 0", .stopping, .exitCode(0)),
    GuideCase("exit code 1", .serverDown, .exitCode(1)),
    GuideCase("exit code 2", .missingVariable, .exitCode(2)),
    GuideCase("exit code 3", .badToken, .exitCode(3)),
    GuideCase(
      "ERROR - Configuration: SPOT_OPTIMIZER_CLIENT_TOKEN is not set; set it to the client's token, as `spotctl clients create` prints it",
      .missingVariable, .written(by: .agent)),

    // 1. Startup connectivity check
    GuideCase("============================================================", .start, .written(by: .agent)),
    GuideCase("AGENT STARTUP - SERVER CONNECTIVITY CHECK", .start, .written(by: .agent)),
    GuideCase("============================================================", .start, .written(by: .agent)),
    GuideCase("Server URL: http://your-server:5000", .start, .written(by: .agent)),
    GuideCase("Client Token: abc12345...xyz9", .start, .written(by: .agent)),
    GuideCase("✓ Server is reachable (health check passed)", .start, .written(by: .agent)),
    GuideCase("============================================================", .start, .written(by: .agent)),
    GuideCase("INFO - Agent agent-001 has a broker credential for the client acme", .start, .written(by: .agent)),
    GuideCase("INFO - Agent agent-001 is connected to amqp://your-broker:5672/spot-optimizer", .start, .written(by: .agent)),
    GuideCase(
      "INFO - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) is registered for the client acme: queue agent.acme.agent-001.1, a heartbeat every 30s",
      .start, .written(by: .agent)),
    GuideCase(
      "INFO - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) takes its commands from the queue agent.acme.agent-001.1", .start,
      .written(by: .agent)),

    // 4. Verbose logging
    GuideCase(
      "DEBUG - PENDING_COMMANDS_CHECK_INTERVAL is no longer used: commands arrive when they are written", .verbose, .written(by: .agent)),
    GuideCase(
      "DEBUG - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 (agent-001) sent a heartbeat; the next is due within …", .verbose,
      .written(by: .agent)),

    // Check agent status
    GuideCase(
      """
      -- View all agents and their last heartbeat
      SELECT
          id,
          logical_agent_id,
          status,
          instance_id,
          last_heartbeat_at,
          TIMESTAMPDIFF(SECOND, last_heartbeat_at, NOW()) as seconds_since_heartbeat
      FROM agents
      WHERE client_id = 'YOUR_CLIENT_ID'
      ORDER BY last_heartbeat_at DESC;
      """, .atWork, .typed(answer: "seconds_since_heartbeat")),

    // Check authentication logs
    GuideCase(
      """
      -- View system events for auth failures
      SELECT * FROM system_events
      WHERE event_type = 'auth_failed'
      ORDER BY timestamp DESC
      LIMIT 20;
      """, .atWork, .typed(answer: "auth_failed")),

    // Check server logs
    GuideCase("tail -f /var/log/spot-optimizer/backend.log", .atWork, .running(answer: " - ")),
    GuideCase(
      #"grep "Invalid client token" /var/log/spot-optimizer/backend.log"#, .atWork, .typed(answer: "endpoint: /api/broker/credentials")),
    GuideCase(
      #"grep "agent-id-here" /var/log/spot-optimizer/backend.log"#, .atWork, .typed(answer: "Registered agent AGENT_ID 'agent-001'")),
    GuideCase("INFO - Credential for 'agent-001' of client acme until 2026-11-29T05:26:47.000Z", .serverLog, .written(by: .server)),
    GuideCase(
      "INFO - Registered agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 'agent-001' of client acme (instance …, queue agent.acme.agent-001.1)",
      .serverLog, .written(by: .server)),
    GuideCase(
      "INFO - Command 839ca70c-c872-45ab-9b5c-3267a9b2e753 'ping' is in the queue of agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 'agent-001'",
      .serverLog, .written(by: .server)),
    GuideCase(
      "INFO - Command 839ca70c-c872-45ab-9b5c-3267a9b2e753 succeeded on agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 'agent-001'", .serverLog,
      .written(by: .server)),
    GuideCase(
      "WARNING - Refused heartbeat.acme.agent-001: Agent not found: no agent 839ca70c-c872-45ab-9b5c-3267a9b2e753", .serverLog,
      .written(by: .server)),
    GuideCase(
      "WARNING - Client account is not active attempt - token: abc12345...xyz9, endpoint: heartbeat.acme.agent-001 (client 'acme' is disabled; agent 839ca70c-c872-45ab-9b5c-3267a9b2e753)",
      .serverLog, .written(by: .server)),
    GuideCase(
      "WARNING - Invalid client token attempt - token: not abc12345...xyz9, endpoint: heartbeat.acme.agent-001 (…)", .serverLog,
      .written(by: .server)),
    GuideCase(
      "WARNING - Agent 839ca70c-c872-45ab-9b5c-3267a9b2e753 'agent-001' of client acme is offline: no heartbeat for more than 120s",
      .serverLog, .written(by: .server)),

    // Fix 1: restart the agent with verbose logging
    GuideCase("pkill -f spot-optimizer-agent", .stopping, .typed(answer: "AGENT_PID")),
    GuideCase("export LOG_LEVEL=DEBUG", .stopping, .typed(answer: "")),
    GuideCase("spot-optimizer-agent", .stopping, .running(answer: "sent a heartbeat")),

    // Fix 2: verify that the server is running
    GuideCase("ps aux | grep spot-optimizer-server", .shell, .typed(answer: "SERVER_PID")),
    GuideCase("ss -tuln | grep 5000", .shell, .typed(answer: "LISTEN")),
    GuideCase("curl http://localhost:5000/health", .shell, .typed(answer: "healthy")),
    GuideCase("spot-optimizer-server", .stopping, .running(answer: "Worker is consuming from")),

    // Fix 3: reset the agent's registration
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "DELETE FROM agents WHERE logical_agent_id = 'YOUR_LOGICAL_ID';""#, .deletingRow,
      .typed(answer: "")),

    // Fix 4: check the database's connectivity
    GuideCase(#"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "SELECT 1;""#, .shell, .typed(answer: "1")),
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "SELECT * FROM clients WHERE client_token = 'YOUR_TOKEN';""#, .shell,
      .typed(answer: "client_token")),

    // Still having issues?
    GuideCase("spotctl doctor --bundle spot-optimizer.tar.gz", .shell, .typed(answer: "pass  broker login")),
    GuideCase("spotctl doctor agent-001", .shell, .typed(answer: "pass  registration")),

    // TOKEN_AUTHENTICATION_TROUBLESHOOTING.md, what is on no other page
    GuideCase("curl http://your-server:5000/api/agents/test-id/config", .shell, .typed(answer: "Missing client token")),
    GuideCase(
      #"mysql -h DB_HOST -u DB_USER -p DB_NAME -e "UPDATE clients SET client_token = '$NEW_TOKEN' WHERE id = 'YOUR_CLIENT_ID';""#,
      .changingToken, .typed(answer: "")),
  ]
}
