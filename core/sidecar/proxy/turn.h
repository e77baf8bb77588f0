/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Costly work in turns with everything else on a loop: a handshake takes as long as dozens of relayed
 * requests, so a thousand of them at once would keep established flows waiting. Behind each polling
 * of the loop one piece of this work is done, or as many as fit into TURN_US; then the loop polls
 * again, without sleeping while work is left. A request passes a chain of two sidecars in four turns:
 * what a turn may take is what each of its milliseconds costs every flow.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_TURN_H
#define SIGNET_CORE_SIDECAR_PROXY_TURN_H

#include <stdbool.h>

#include "core/runtime/loop/worker.h"

/* No further piece is begun once those of a turn have taken so long. */
#define TURN_US 200u

struct turn {
    uv_check_t check; /* behind each polling */
    uv_idle_t idle;   /* so that the loop does not sleep while work is left */
    bool (*piece)(void *user);
    void *user;
    bool awake;
    bool closed;
};

/* turn_init prepares one that rests. piece(user) does one piece of work; false: none was left. */
void turn_init(struct turn *turn, struct worker *worker, bool (*piece)(void *user), void *user);

/* turn_wake says that there is work: piece() runs from the loop, until it says that none is left. */
void turn_wake(struct turn *turn);

/* turn_close ends it; no piece runs after that. Its memory must live until the loop has run dry. */
void turn_close(struct turn *turn);

#endif
