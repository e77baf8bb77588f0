/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TERM, INT and HUP as events of the main loop; PIPE is ignored.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_SIGNALS_H
#define SIGNET_CORE_RUNTIME_LOOP_SIGNALS_H

#include <uv.h>

struct signals {
    uv_signal_t handles[3];
    void (*arrived)(void *user, int number);
    void *user;
};

/* signals_start reports TERM, INT and HUP by arrived(user, number), on the loop's thread. */
void signals_start(struct signals *signals, uv_loop_t *loop,
                   void (*arrived)(void *user, int number), void *user);

/* signals_close ends that; the struct must live until the loop has run its close callbacks. */
void signals_close(struct signals *signals);

#endif
