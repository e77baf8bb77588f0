/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limit or a delay on a worker's loop. Embedded; must be closed before its memory goes.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_TIMER_H
#define SIGNET_CORE_RUNTIME_LOOP_TIMER_H

#include <stdbool.h>
#include <uv.h>

struct timer;
typedef void (*timer_fn)(struct timer *timer, void *user);

struct timer {
    uv_timer_t handle;
    timer_fn fired;
    void (*closed)(struct timer *timer, void *user);
    void *user;
};

/* timer_init prepares a timer that is not running. fired(timer, user) will run on the loop's thread. */
void timer_init(struct timer *timer, uv_loop_t *loop, timer_fn fired, void *user);

/* timer_start (re)starts it: once after `delay_ms`, then each `repeat_ms` (0: only once). */
void timer_start(struct timer *timer, uint64_t delay_ms, uint64_t repeat_ms);

/* timer_stop stops it; no event comes after that. It may be started again. */
void timer_stop(struct timer *timer);

/* timer_close ends it; closed(timer, user) (NULL: nothing) runs from the loop, then the memory may go. */
void timer_close(struct timer *timer, void (*closed)(struct timer *timer, void *user));

#endif
