/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream over a connected TCP or unix socket, read and written directly on readiness (uv_poll_t):
 * libuv's own uv_tcp_t would ask for a buffer before it knows that there is something to read, and
 * queue a request for every write.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_TCP_H
#define SIGNET_CORE_RUNTIME_NET_TCP_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"

/*
 * tcp_start makes a stream of the connected (or connecting), non-blocking socket `fd`, which it takes
 * over. Where that is TCP it turns Nagle's delay off and bounds what the system holds unsent. Where the
 * other end is a process of this machine what it may send ahead is bounded, too; else keepalive is
 * turned on. The worker's thread.
 */
struct stream *tcp_start(struct worker *worker, int fd);

/* tcp_fd is the socket of a stream made by tcp_start(), for socket options; still owned by it. */
int tcp_fd(const struct stream *stream);

/*
 * tcp_error is the errno that broke the socket, or that its connect() ended with; 0: none. The system
 * tells an error once, and polling may have taken it: so ask here, not SO_ERROR.
 */
int tcp_error(struct stream *stream);

/*
 * tcp_acknowledge asks the system to acknowledge at once what it has of this socket, instead of waiting
 * for an answer to carry it: a peer with Nagle's algorithm holds his next bytes back until then.
 * Source: tcp(7), TCP_QUICKACK.
 */
void tcp_acknowledge(int fd);

#endif
