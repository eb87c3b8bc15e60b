/* What the programs that measure the limits of the libraries share: ends, clocks, arguments, and the way to broker and database.
 *
 * Addresses and passwords come from the environment, as `broker/local env` prints it: in the arguments everybody on the machine could read them. */
#ifndef SPOT_OPTIMIZER_LIMIT_H
#define SPOT_OPTIMIZER_LIMIT_H

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FAILED = 1, USAGE = 2 };

/* Says what went wrong, on standard error, and ends the program. */
__attribute__((noreturn, format(printf, 2, 3))) static inline void stop(int code, const char *format, ...) {
  va_list values;
  va_start(values, format);
  fprintf(stderr, "limit: ");
  vfprintf(stderr, format, values);
  fprintf(stderr, "\n");
  va_end(values);
  exit(code);
}

static inline double seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A number of the command line, from 1 to `most`. */
static inline int number(const char *name, const char *text, long most) {
  char *end = NULL;
  errno = 0;
  long value = text ? strtol(text, &end, 10) : 0;
  if (!text || end == text || *end || errno || value < 1 || value > most)
    stop(USAGE, "%s is '%s'; give a whole number from 1 to %ld", name, text ? text : "", most);
  return (int)value;
}

/* A variable that must be set. */
static inline const char *variable(const char *name) {
  const char *value = getenv(name);
  if (!value || !*value) stop(USAGE, "%s is not set; eval \"$(broker/local env)\" sets it", name);
  return value;
}

/* The parts of AMQP_URL. Their texts live as long as the program. */
static inline struct amqp_connection_info broker_address(void) {
  struct amqp_connection_info address;
  char *copy = strdup(variable("AMQP_URL"));
  if (!copy || amqp_parse_url(copy, &address) != AMQP_STATUS_OK)
    stop(USAGE, "AMQP_URL is no address as amqp://user:password@host:port/vhost (it is not shown, because it holds a password)");
  if (address.ssl) stop(USAGE, "AMQP_URL is an amqps:// address; the limit is measured without TLS");
  return address;
}

/* Ends the program when the broker refused what was asked of it last. */
static inline void must(amqp_connection_state_t connection, const char *what) {
  amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) stop(FAILED, "%s: %s", what, amqp_error_string2(reply.library_error));
  stop(FAILED, "%s: refused by the broker", what);
}

/* Connects and logs in. `frame` is the largest frame in bytes. */
static inline amqp_connection_state_t log_in(
  const struct amqp_connection_info *address, const char *user, const char *password, int channels, int frame) {
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t *socket = connection ? amqp_tcp_socket_new(connection) : NULL;
  if (!socket) stop(FAILED, "no memory for a connection");
  int status = amqp_socket_open(socket, address->host, address->port);
  if (status) stop(FAILED, "no connection to %s:%d: %s", address->host, address->port, amqp_error_string2(status));
  amqp_rpc_reply_t reply = amqp_login(connection, address->vhost, channels, frame, 0, AMQP_SASL_METHOD_PLAIN, user, password);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) stop(FAILED, "the broker at %s:%d refused the login", address->host, address->port);
  return connection;
}

static inline void open_channel(amqp_connection_state_t connection, amqp_channel_t channel) {
  amqp_channel_open(connection, channel);
  must(connection, "opening a channel");
}

#endif
