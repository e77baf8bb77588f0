/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/backoff.h"

uint32_t backoff_next_ms(struct backoff *backoff, uint32_t drawn)
{
    uint64_t ceiling = backoff->first_ms;

    for (uint32_t i = 0; i < backoff->failures && ceiling < backoff->max_ms; i++) {
        ceiling *= 2;
    }
    ceiling = ceiling > backoff->max_ms ? backoff->max_ms : ceiling;
    if (backoff->failures < UINT32_MAX) {
        backoff->failures++;
    }
    return (uint32_t)((uint64_t)drawn * (ceiling + 1) >> 32);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
