/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when the wall clock was set: a timerfd on CLOCK_REALTIME that the kernel cancels then. Where there
 * is none, the owner's tick still compares the clocks (schedule_clock_stepped). Main loop only.
 * Source: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_CLOCK_WATCH_H
#define SIGNET_CORE_SIDECAR_ROTATION_CLOCK_WATCH_H

#include <stdbool.h>
#include <uv.h>

struct clock_watch {
    uv_poll_t poll;
    int timer; /* descriptor; -1: the kernel gave none */
    void (*stepped)(void *user);
    void (*closed)(void *user);
    void *user;
};

/* clock_watch_start calls stepped(user) on the loop after each step. False: the kernel gave no timer. */
bool clock_watch_start(struct clock_watch *watch, uv_loop_t *loop, void (*stepped)(void *user),
                       void *user);

/* clock_watch_close ends a started one; closed(user) runs from the loop, then the memory may go. */
void clock_watch_close(struct clock_watch *watch, void (*closed)(void *user));

#endif
