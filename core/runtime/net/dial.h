/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dial a TCP or unix address, with a limit. One address: racing several is the balancer's business.
 */
#ifndef SIGNET_CORE_RUNTIME_NET_DIAL_H
#define SIGNET_CORE_RUNTIME_NET_DIAL_H

#include "core/runtime/net/address.h"
#include "core/runtime/net/stream.h"
#include "core/runtime/loop/worker.h"

struct dial;

/*
 * What came of a dial: STATUS_OK and a stream that the callee now owns, or the failure and NULL. Runs
 * from the loop, never inside dial_start(); `why` is borrowed for the call.
 */
typedef void (*dial_done_fn)(void *user, enum status status, struct stream *stream,
                                const struct failure *why);

/*
 * dial_start dials. done(user, …) comes exactly once, unless dial_cancel() comes first.
 *   limit_ms  0: the system's own limit
 *   STATUS_IO "dial/refused", "dial/unreachable", "dial/timeout", "dial/failed", each
 *   with the address in the detail; STATUS_LIMIT "dial/descriptors" when none is left
 */
struct dial *dial_start(struct worker *worker, const struct address *to, uint64_t limit_ms,
                              dial_done_fn done, void *user);

/*
 * dial_start_on is dial_start with a socket that the caller has prepared (non-blocking, of the address's
 * family, perhaps bound), which it takes over.
 */
struct dial *dial_start_on(struct worker *worker, int fd, const struct address *to,
                           uint64_t limit_ms, dial_done_fn done, void *user);

/* dial_cancel gives a dial up and sets *dial to NULL; done() does not come. NULL is fine. */
void dial_cancel(struct dial **dial);

#endif
