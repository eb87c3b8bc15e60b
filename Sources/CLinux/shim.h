#ifndef SPOT_OPTIMIZER_CLINUX_SHIM_H
#define SPOT_OPTIMIZER_CLINUX_SHIM_H

/* Headers of the kernel's interface that Glibc's module map leaves out. */
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

/* prctl is variadic, which Swift cannot call; pthread_setname_np needs _GNU_SOURCE, which Glibc's module is built without. */
static inline void spot_name_this_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/* Likewise of _GNU_SOURCE: glibc has had them since 2.9 (pipe2), 2.27 (memfd_create), 2.29 (fchdir) and 2.34 (closefrom). */
extern int pipe2(int ends[2], int flags);
extern int memfd_create(const char *name, unsigned int flags);
extern int posix_spawn_file_actions_addfchdir_np(posix_spawn_file_actions_t *actions, int descriptor);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);
#define SPOT_MEMFD_CLOEXEC 1u         /* MFD_CLOEXEC */
#define SPOT_SPAWN_NEW_SESSION 0x80   /* POSIX_SPAWN_SETSID */

#endif
