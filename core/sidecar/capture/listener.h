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

/* A connection: `fd` is non-blocking and now the callee's; `peer` is who opened it. */
typedef void (*listener_accepted_fn)(void *user, int fd, const struct address *peer);

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

/* listener_start accepts on `fd` (of listener_bind, taken over) for this worker. The worker's thread. */
struct listener *listener_start(struct worker *worker, int fd, listener_accepted_fn accepted,
                                void *user);

/* listener_close stops accepting and frees it; sets *listener to NULL. NULL is fine. The worker's thread. */
void listener_close(struct listener **listener);

#endif
