/* The limit of the way of a heartbeat, for comparison with the worker.
 *
 * Publishes heartbeats with confirms into a quorum queue of its own, then drains it by one loop that writes a batch with one UPDATE, commits, and
 * acknowledges the batch after that. Messages have the size and the properties of the agents'. No signature is verified and nothing is decoded: the id
 * stands at a known place of the body. Prints figures, `name value` a line, in seconds. */
#include "limit.h"
#include <mysql.h>

#define QUEUE "fleet-bench.limit"
#define TABLE "fleet_bench_limit"
/* Where an agent's id stands in a body, and how long it is. */
#define ID_OFFSET 13
#define ID_LENGTH 36

enum { CONFIRMS = 1, DELIVERIES = 2 }; /* Channels. */
/* Messages published before their confirms are waited for. */
enum { WINDOW = 2000 };

static const char usage[] =
  "usage: limit-drain [--heartbeats N] [--agents N] [--batch N]\n\n"
  "Publishes N heartbeats (default: 200000) of so many agents (default: 4000) into a quorum queue of its own and takes them to committed rows of a\n"
  "table of its own, in batches (default: 5000). Prints how long that took, `name value` a line. Queue and table are removed at the end.\n\n"
  "The environment: AMQP_URL, DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME, as broker/local env prints it.\n\n"
  "exit codes: 0 measured, 1 failed, 2 wrong arguments or environment\n";

struct options {
  int heartbeats, agents, batch;
};

static struct options read_options(int count, char **words) {
  struct options options = {.heartbeats = 200000, .agents = 4000, .batch = 5000};
  for (int i = 1; i < count; i++) {
    const char *word = words[i];
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
      fputs(usage, stdout);
      exit(0);
    }
    const char *value = i + 1 < count ? words[i + 1] : NULL;
    if (!strcmp(word, "--heartbeats")) options.heartbeats = number(word, value, 1000000);
    else if (!strcmp(word, "--agents")) options.agents = number(word, value, 100000);
    else if (!strcmp(word, "--batch")) options.batch = number(word, value, 20000);
    else stop(USAGE, "the argument '%s' is not known; see --help", word);
    i++;
  }
  if (options.heartbeats < options.agents)
    stop(USAGE, "--heartbeats is %d, fewer than the %d agents; give at least one for each", options.heartbeats, options.agents);
  return options;
}

static void agent_id(char id[ID_LENGTH + 1], int agent) { snprintf(id, ID_LENGTH + 1, "00000000-0000-4000-8000-%012d", agent); }

/* MARK: the database */

static void query(MYSQL *database, const char *sql, unsigned long length) {
  if (mysql_real_query(database, sql, length)) stop(FAILED, "the database: %s", mysql_error(database));
}

static void run(MYSQL *database, const char *sql) { query(database, sql, strlen(sql)); }

static MYSQL *connect_database(void) {
  MYSQL *database = mysql_init(NULL);
  const char *host = variable("DB_HOST"), *user = variable("DB_USER"), *password = variable("DB_PASSWORD"), *name = variable("DB_NAME");
  unsigned port = (unsigned)number("DB_PORT", variable("DB_PORT"), 65535);
  if (!database || !mysql_real_connect(database, host, user, password, name, port, NULL, 0))
    stop(FAILED, "no connection to the database: %s", database ? mysql_error(database) : "no memory");
  return database;
}

static void make_table(MYSQL *database, char *sql, int agents) {
  run(database, "DROP TABLE IF EXISTS " TABLE);
  run(database, "CREATE TABLE " TABLE " (id CHAR(36) PRIMARY KEY, status VARCHAR(20) NOT NULL, last_heartbeat_at TIMESTAMP(3) NULL,"
                " KEY (last_heartbeat_at)) ENGINE=InnoDB");
  for (int i = 0; i < agents;) {
    int length = sprintf(sql, "INSERT INTO " TABLE " (id, status) VALUES ");
    for (int k = 0; i < agents && k < 1000; i++, k++) {
      char id[ID_LENGTH + 1];
      agent_id(id, i);
      length += sprintf(sql + length, "%s('%s','offline')", k ? "," : "", id);
    }
    query(database, sql, (unsigned long)length);
  }
}

static long count_online(MYSQL *database) {
  run(database, "SELECT COUNT(*) FROM " TABLE " WHERE status = 'online' AND last_heartbeat_at IS NOT NULL");
  MYSQL_RES *result = mysql_store_result(database);
  MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
  long count = row ? strtol(row[0], NULL, 10) : -1;
  mysql_free_result(result);
  return count;
}

/* MARK: the broker */

static void make_queue(amqp_connection_state_t connection) {
  amqp_table_entry_t entry = {
    .key = amqp_cstring_bytes("x-queue-type"),
    .value = {.kind = AMQP_FIELD_KIND_UTF8, .value = {.bytes = amqp_cstring_bytes("quorum")}},
  };
  amqp_queue_delete(connection, CONFIRMS, amqp_cstring_bytes(QUEUE), 0, 0);
  must(connection, "removing the queue " QUEUE);
  amqp_queue_declare(connection, CONFIRMS, amqp_cstring_bytes(QUEUE), 0, 1, 0, 0, (amqp_table_t){1, &entry});
  must(connection, "declaring the queue " QUEUE);
}

/* Waits until the broker has the `count` messages after number `before`; their confirms may come in any order, singly or many at once. */
static void wait_for_confirms(amqp_connection_state_t connection, uint64_t before, int count) {
  bool confirmed[WINDOW] = {false};
  for (int open = count; open > 0;) {
    amqp_frame_t frame;
    amqp_maybe_release_buffers(connection);
    int status = amqp_simple_wait_frame(connection, &frame);
    if (status) stop(FAILED, "waiting for confirms: %s", amqp_error_string2(status));
    if (frame.frame_type != AMQP_FRAME_METHOD) continue;
    if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD) stop(FAILED, "the broker did not take a message, or closed the channel");
    amqp_basic_ack_t *ack = frame.payload.method.decoded;
    int last = (int)(ack->delivery_tag - before) - 1;
    for (int i = ack->multiple ? 0 : last; i <= last && i < count; i++) {
      if (!confirmed[i]) open--;
      confirmed[i] = true;
    }
  }
}

static void publish(amqp_connection_state_t connection, const char *user, struct options options) {
  static const char format[] =
    "{\"agent_id\":\"%s\",\"az\":\"us-east-1a\",\"generation\":1,\"instance_id\":\"i-0123456789abcdef0\",\"instance_type\":\"t3.micro\","
    "\"mode\":\"spot\",\"monitored_instances\":[\"i-0123456789abcdef0\"],\"sent_at\":\"2026-01-01T00:00:00.000Z\",\"status\":\"online\"}";
  amqp_table_entry_t headers[] = {
    {.key = amqp_cstring_bytes("signature"),
     .value = {.kind = AMQP_FIELD_KIND_UTF8,
               .value = {.bytes = amqp_cstring_bytes("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")}}},
    {.key = amqp_cstring_bytes("signature-version"), .value = {.kind = AMQP_FIELD_KIND_I64, .value = {.i64 = 1}}},
  };
  amqp_basic_properties_t properties = {
    ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_REPLY_TO_FLAG |
              AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_APP_ID_FLAG,
    .content_type = amqp_cstring_bytes("application/json"),
    .headers = {2, headers},
    .delivery_mode = AMQP_DELIVERY_PERSISTENT,
    .reply_to = amqp_cstring_bytes("amq.rabbitmq.reply-to"),
    .timestamp = 1767225600,
    .type = amqp_cstring_bytes("heartbeat"),
    .user_id = amqp_cstring_bytes(user),
    .app_id = amqp_cstring_bytes("fleet-bench/limit"),
  };
  for (int done = 0; done < options.heartbeats;) {
    int count = options.heartbeats - done < WINDOW ? options.heartbeats - done : WINDOW;
    for (int i = 0; i < count; i++) {
      char id[ID_LENGTH + 1], body[512];
      agent_id(id, (done + i) % options.agents);
      int length = snprintf(body, sizeof body, format, id);
      properties.message_id = amqp_cstring_bytes(id);
      int status = amqp_basic_publish(
        connection, CONFIRMS, amqp_empty_bytes, amqp_cstring_bytes(QUEUE), 0, 0, &properties, (amqp_bytes_t){(size_t)length, body});
      if (status) stop(FAILED, "publishing: %s", amqp_error_string2(status));
    }
    wait_for_confirms(connection, (uint64_t)done, count);
    done += count;
  }
}

/* MARK: what is measured */

static void drain(amqp_connection_state_t connection, MYSQL *database, char *sql, struct options options) {
  static const char head[] = "UPDATE " TABLE " SET status = 'online', last_heartbeat_at = NOW(3) WHERE id IN (";
  amqp_basic_consume(connection, DELIVERIES, amqp_cstring_bytes(QUEUE), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  must(connection, "consuming");
  for (int done = 0; done < options.heartbeats;) {
    int size = options.heartbeats - done < options.batch ? options.heartbeats - done : options.batch;
    size_t length = sizeof head - 1;
    uint64_t tag = 0;
    memcpy(sql, head, length);
    for (int i = 0; i < size; i++) {
      amqp_envelope_t delivery;
      amqp_maybe_release_buffers(connection);
      amqp_rpc_reply_t reply = amqp_consume_message(connection, &delivery, NULL, 0);
      if (reply.reply_type != AMQP_RESPONSE_NORMAL) stop(FAILED, "consuming: the connection or the channel is gone");
      if (i) sql[length++] = ',';
      sql[length++] = '\'';
      memcpy(sql + length, (const char *)delivery.message.body.bytes + ID_OFFSET, ID_LENGTH);
      length += ID_LENGTH;
      sql[length++] = '\'';
      tag = delivery.delivery_tag;
      amqp_destroy_envelope(&delivery);
    }
    sql[length++] = ')';
    query(database, sql, length); /* Commits: the session has autocommit. */
    if (amqp_basic_ack(connection, DELIVERIES, tag, 1)) stop(FAILED, "the broker does not take an acknowledgement");
    done += size;
  }
}

int main(int count, char **words) {
  struct options options = read_options(count, words);
  struct amqp_connection_info address = broker_address();
  MYSQL *database = connect_database();
  char *sql = malloc(256 + (size_t)(options.batch > 1000 ? options.batch : 1000) * (ID_LENGTH + 16));
  if (!sql) stop(FAILED, "no memory for a statement");
  make_table(database, sql, options.agents);

  amqp_connection_state_t connection = log_in(&address, address.user, address.password, 16, 131072);
  open_channel(connection, CONFIRMS);
  open_channel(connection, DELIVERIES);
  make_queue(connection);
  amqp_confirm_select(connection, CONFIRMS);
  must(connection, "confirm.select");
  /* As agents do: the broker then writes its own long address into every message. */
  amqp_basic_consume(connection, CONFIRMS, amqp_cstring_bytes("amq.rabbitmq.reply-to"), amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
  must(connection, "consuming replies");
  double began = seconds(CLOCK_MONOTONIC);
  publish(connection, address.user, options);
  printf("publishing %.3f\n", seconds(CLOCK_MONOTONIC) - began);

  /* The worker has this pause too, while it starts: time for the broker to tidy up after the publishing. */
  nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
  /* As many unacknowledged messages as the worker allows itself. */
  int prefetch = 3 * options.batch < UINT16_MAX ? 3 * options.batch : UINT16_MAX;
  amqp_basic_qos(connection, DELIVERIES, 0, (uint16_t)prefetch, 0);
  must(connection, "basic.qos");
  began = seconds(CLOCK_MONOTONIC);
  double processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
  drain(connection, database, sql, options);
  printf("draining %.3f\n", seconds(CLOCK_MONOTONIC) - began);
  printf("processor %.3f\n", seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);

  long online = count_online(database);
  amqp_queue_delete(connection, CONFIRMS, amqp_cstring_bytes(QUEUE), 0, 0);
  must(connection, "removing the queue " QUEUE);
  run(database, "DROP TABLE " TABLE);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
  mysql_close(database);
  free(sql);
  if (online != options.agents) stop(FAILED, "%ld of %d rows are online after the draining", online, options.agents);
  return 0;
}
