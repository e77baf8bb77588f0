/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that outbound capture works: a connection to an address that belongs to nobody, which the
 * redirection brings to our own outbound port. The proxy opens it, and answers it.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_CANARY_H
#define SIGNET_CORE_SIDECAR_PROXY_CANARY_H

#include "core/runtime/loop/worker.h"
#include "core/runtime/net/address.h"

/* canary_is tells whether an original destination is the canary's (192.0.2.1 or 2001:db8::1, port 15099). */
bool canary_is(const struct address *destination);

/* canary_answer greets an accepted canary connection with "signet\n" and closes it. Any thread. */
void canary_answer(int fd);

#define CANARY_LOST_MS 5000 /* a capture that is lost is told within this time */

struct canary;

/*
 * canary_start dials the canary each second until it is answered, and goes on looking.
 * proved(user, true) comes with each answer, proved(user, false) with each try without one; after an
 * answer only with the second in a row, and within CANARY_LOST_MS of the capture's end. The loop's thread.
 */
struct canary *canary_start(struct worker *home, void (*proved)(void *user, bool yes), void *user);

/* canary_close ends it and frees it. NULL is fine. */
void canary_close(struct canary *canary);

#endif
