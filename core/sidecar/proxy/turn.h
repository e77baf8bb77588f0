/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Costly work in turns with everything else on a loop: a handshake takes as long as dozens of relayed
 * requests, so a thousand of them at once would keep established flows waiting. Behind each polling
 * of the loop pieces of this work are done for as long as the other events took, and a little at
 * least; then the loop polls again, without sleeping while work is left.
 */
#ifndef SIGNET_CORE_SIDECAR_PROXY_TURN_H
#define SIGNET_CORE_SIDECAR_PROXY_TURN_H

#include <stdbool.h>

#include "core/runtime/loop/worker.h"

/* How long the pieces of one turn may take: as long as the turn's other events, within these. */
#define TURN_LEAST_US 200u
#define TURN_MOST_US 2000u

struct turn {
    uv_check_t check; /* behind each polling */
    uv_idle_t idle;   /* so that the loop does not sleep while work is left */
    bool (*piece)(void *user);
    void *user;
    uint64_t ended_us; /* when the last turn's pieces ended; 0: the loop has slept since */
    bool awake;
    bool closed;
};

/* turn_init prepares one that rests. piece(user) does one piece of work; false: none was left. */
void turn_init(struct turn *turn, struct worker *worker, bool (*piece)(void *user), void *user);

/* turn_wake says that there is work: piece() runs from the loop, until it says that none is left. */
void turn_wake(struct turn *turn);

/* turn_close ends it; no piece runs after that. Its memory must live until the loop has run dry. */
void turn_close(struct turn *turn);

/* turn_budget_us is how long pieces may go on when the turn's other events took `others_us`. Pure. */
uint64_t turn_budget_us(uint64_t others_us);

#endif
