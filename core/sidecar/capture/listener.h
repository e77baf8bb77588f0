/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept connections: one listening socket per worker on the same port (SO_REUSEPORT), so that the
 * kernel spreads them and no worker waits for another.
 */
#ifndef SIGNET_CORE_SIDECAR_CAPTURE_LISTENER_H
#define SIGNET_CORE_SIDECAR_CAPTURE_LISTENER_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/address.h"

struct listener;

struct listener_events {
    /* A connection: `fd` is non-blocking and now the callee's; `peer` is who opened it. */
    void (*accepted)(void *user, int fd, const struct address *peer);
    /*
     * Asked before each: why nobody may be accepted now, a literal that is counted; NULL: they may.
     * Those who come meanwhile wait in the backlog. May be NULL: they always may.
     */
    const char *(*held)(void *user);
};

/*
 * listener_bind makes a listening socket. An address without a host (":15006") takes both families,
 * or IPv4 alone where the machine has no IPv6. The `first` of several on one address must find it free;
 * those that follow share it. Any thread.
 *
 * STATUS_IO "listener/bind": the detail names the address, and for a port in use or without
 * permission what to do.
 */
enum status listener_bind(const struct address *at, bool first, int *out_fd,
                          struct failure *why) MUST_USE;

/*
 * listener_start accepts on `fd` (of listener_bind, taken over) for this worker; `events` outlives it.
 * The worker's thread.
 */
struct listener *listener_start(struct worker *worker, int fd,
                                const struct listener_events *events, void *user);

/*
 * listener_spare_fds is how many of the descriptors that this process may have are not for connections:
 * an eighth, and 64 at least. Any thread.
 */
unsigned listener_spare_fds(void);

/* listener_close stops accepting and frees it; sets *listener to NULL. NULL is fine. The worker's thread. */
void listener_close(struct listener **listener);

#endif
