/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next delay after a failure: exponential with full jitter, never ending. Pure.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_BACKOFF_H
#define SIGNET_CORE_RUNTIME_LOOP_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint32_t first_ms; /* ceiling of the first delay */
    uint32_t max_ms;   /* ceiling of every delay */
    uint32_t failures; /* since the last success */
};

/* backoff_next_ms counts a failure and draws the delay: uniform in [0, min(max, first * 2^failures)]. */
uint32_t backoff_next_ms(struct backoff *backoff, uint32_t drawn);

/* backoff_reset forgets the failures, after a success. */
void backoff_reset(struct backoff *backoff);

#endif
