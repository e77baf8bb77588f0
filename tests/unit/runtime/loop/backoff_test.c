/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/backoff.h"
#include "tests/support/suite.h"

SUITE(backoff);

Test(backoff, the_ceiling_doubles_up_to_the_greatest_and_stays)
{
    struct backoff backoff = {.first_ms = 500, .max_ms = 60000};
    uint32_t ceiling_ms = 500;

    for (int i = 0; i < 100; i++) {
        struct backoff copy = backoff;
        uint32_t greatest = 0;

        for (uint64_t drawn = 0; drawn <= UINT32_MAX; drawn += UINT32_MAX / 1000) {
            struct backoff again = copy;
            uint32_t delay_ms = backoff_next_ms(&again, (uint32_t)drawn);

            cr_assert_leq(delay_ms, ceiling_ms);
            greatest = delay_ms > greatest ? delay_ms : greatest;
        }
        cr_assert_gt(greatest, ceiling_ms / 2, "round %d", i);
        (void)backoff_next_ms(&backoff, 1);
        ceiling_ms = ceiling_ms * 2 > 60000 ? 60000 : ceiling_ms * 2;
        if (i > 10) {
            i += 20; /* far beyond any shift's width */
            backoff.failures += 20;
        }
    }
}

Test(backoff, success_begins_again)
{
    struct backoff backoff = {.first_ms = 500, .max_ms = 60000};

    for (int i = 0; i < 9; i++) {
        (void)backoff_next_ms(&backoff, UINT32_MAX);
    }
    backoff_reset(&backoff);
    cr_assert_leq(backoff_next_ms(&backoff, UINT32_MAX), 500);
}
