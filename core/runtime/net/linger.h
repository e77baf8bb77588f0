/* SPDX-License-Identifier: Apache-2.0 */
/*
 * End a stream so that the last bytes we sent arrive: closing a socket with unread bytes in it sends a
 * reset, which can overtake an alert and take from the peer the reason for its refusal. So: end our
 * direction, throw away what still comes, close at the peer's end, after 256 KiB, or after a second.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_LINGER_H
#define SIGNET_CORE_RUNTIME_NET_LINGER_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/stream.h"

/* linger_start takes `stream` over and frees all by itself. The worker's thread. */
void linger_start(struct worker *worker, struct stream *stream);

#endif
