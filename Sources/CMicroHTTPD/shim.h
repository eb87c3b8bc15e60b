#ifndef SPOT_OPTIMIZER_CMICROHTTPD_SHIM_H
#define SPOT_OPTIMIZER_CMICROHTTPD_SHIM_H

#include <microhttpd.h>

/* MHD_start_daemon is variadic, which Swift cannot call. The daemon has no thread of its own: the caller polls its epoll descriptor and
   calls MHD_run. It takes `listen_socket` over, unless it returns NULL. */
static inline struct MHD_Daemon *spot_mhd_start(MHD_socket listen_socket, unsigned int flags, size_t connection_memory,
                                                unsigned int connections, MHD_AccessHandlerCallback handle,
                                                void *(*begin)(void *, const char *, struct MHD_Connection *),
                                                MHD_RequestCompletedCallback completed, MHD_NotifyConnectionCallback connection,
                                                void *context) {
  return MHD_start_daemon(flags, 0, NULL, NULL, handle, context, MHD_OPTION_LISTEN_SOCKET, listen_socket,
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory, MHD_OPTION_CONNECTION_LIMIT, connections,
                          MHD_OPTION_URI_LOG_CALLBACK, begin, context, MHD_OPTION_NOTIFY_COMPLETED, completed, context,
                          MHD_OPTION_NOTIFY_CONNECTION, connection, context, MHD_OPTION_END);
}

/* The two information calls are variadic as well. -1 or NULL where MHD has no answer. */
static inline int spot_mhd_epoll_descriptor(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
  return info == NULL ? -1 : info->epoll_fd;
}

static inline int spot_mhd_connection_descriptor(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

static inline const struct sockaddr *spot_mhd_client_address(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info == NULL ? NULL : info->client_addr;
}

#endif
