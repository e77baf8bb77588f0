/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of a worker: those who asked for it are looked at once, some seconds from now. One timer for
 * all of them, which runs only while there is somebody. The worker's thread only.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_ROUNDS_H
#define SIGNET_CORE_RUNTIME_LOOP_ROUNDS_H

#include "core/runtime/base/list.h"
#include "core/runtime/loop/timer.h"

/* Somebody to be looked at. Embedded in its owner; zeroed, it is in no list. */
struct round {
    struct list_link link;
    void (*look)(struct round *round); /* it has left the list, and may join again */
};

struct rounds {
    struct list list;
    struct timer timer;
    uint64_t period_ms; /* between two looks; a test may shorten it */
    bool running;
    bool closed;
};

/* rounds_open makes empty rounds of five seconds on `loop`; rounds_close ends their timer. */
void rounds_open(struct rounds *rounds, uv_loop_t *loop);
void rounds_close(struct rounds *rounds);

/* rounds_join: look(round) comes once, from the loop, within one period to two. Fine when it has joined. */
void rounds_join(struct rounds *rounds, struct round *round);

/* rounds_leave: look() does not come any more. Fine when it has not joined. */
void rounds_leave(struct round *round);

#endif
