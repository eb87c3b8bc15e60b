/* The limit of a fleet that comes back, for comparison with simulated agents: logins one after the other, each with a channel, confirms, a prefetch and
 * a consumer on a queue that is there already. Then holds them, so that the broker's memory can be read. Prints figures, `name value` a line. */
#include "limit.h"
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
  "usage: limit-storm [--hold SECONDS] <FILE\n\n"
  "Connects an agent for each line `USER PASSWORD QUEUE` of standard input to AMQP_URL's broker, one after the other, and prints how long that took.\n\n"
  "exit codes: 0 measured, 1 failed, 2 wrong arguments or environment\n";

static void allow_descriptors(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit); /* Without it, the login that has none says so. */
}

static void connect_agent(const struct amqp_connection_info *address, char *line, int index) {
  char *user = strtok(line, " \n"), *password = strtok(NULL, " \n"), *queue = strtok(NULL, " \n");
  if (!queue) stop(USAGE, "line %d of standard input is not USER PASSWORD QUEUE", index);
  amqp_connection_state_t connection = log_in(address, user, password, 4, 8192);
  open_channel(connection, 1);
  amqp_confirm_select(connection, 1);
  must(connection, "confirm.select");
  amqp_basic_qos(connection, 1, 0, 8, 0);
  must(connection, "basic.qos");
  amqp_basic_consume(connection, 1, amqp_cstring_bytes("amq.rabbitmq.reply-to"), amqp_empty_bytes, 0, 1, 0, amqp_empty_table);
  must(connection, "consuming replies");
  amqp_basic_consume(connection, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  must(connection, "consuming an agent's queue");
}

int main(int count, char **words) {
  int hold = 0;
  for (int i = 1; i < count; i++) {
    if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) {
      fputs(usage, stdout);
      return 0;
    }
    if (strcmp(words[i], "--hold")) stop(USAGE, "the argument '%s' is not known; see --help", words[i]);
    hold = number("--hold", i + 1 < count ? words[i + 1] : NULL, 86400);
    i++;
  }
  struct amqp_connection_info address = broker_address();
  allow_descriptors();
  /* A credential is a JWT of up to some kilobytes. */
  static char line[65536];
  int agents = 0;
  double began = seconds(CLOCK_MONOTONIC);
  while (fgets(line, sizeof line, stdin)) connect_agent(&address, line, ++agents);
  printf("agents %d\n", agents);
  printf("connecting %.3f\n", seconds(CLOCK_MONOTONIC) - began);
  fflush(stdout);
  sleep((unsigned)hold);
  /* The end of the process closes every connection. */
  return 0;
}
