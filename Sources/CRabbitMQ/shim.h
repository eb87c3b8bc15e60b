#ifndef SPOT_OPTIMIZER_CRABBITMQ_SHIM_H
#define SPOT_OPTIMIZER_CRABBITMQ_SHIM_H

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

/* amqp_login_with_properties is variadic, which Swift cannot call. SASL PLAIN is the only mechanism used: a password or a JWT. */
static inline amqp_rpc_reply_t spot_amqp_login_plain(amqp_connection_state_t state, const char *vhost, int channel_max, int frame_max,
                                                     int heartbeat, const amqp_table_t *properties, const char *user,
                                                     const char *password) {
  return amqp_login_with_properties(state, vhost, channel_max, frame_max, heartbeat, properties, AMQP_SASL_METHOD_PLAIN, user, password);
}

/* Reads what is there and returns AMQP_STATUS_TIMEOUT at once when nothing is; also sends the heartbeat that is due. */
static inline int spot_amqp_poll_frame(amqp_connection_state_t state, amqp_frame_t *frame) {
  struct timeval none = {0, 0};
  return amqp_simple_wait_frame_noblock(state, frame, &none);
}

#endif
