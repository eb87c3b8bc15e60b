#ifndef SPOT_OPTIMIZER_CLINUX_SHIM_H
#define SPOT_OPTIMIZER_CLINUX_SHIM_H

/* Headers of the kernel's interface that Glibc's module map leaves out. */
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

/* prctl is variadic, which Swift cannot call; pthread_setname_np needs _GNU_SOURCE, which Glibc's module is built without. */
static inline void spot_name_this_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
