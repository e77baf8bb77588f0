/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/limit.h"

#include <stdio.h>

#include "tests/support/suite.h"

SUITE(limit, .timeout = 30);

static unsigned limit_taken(struct limit *limit, const char *name, unsigned tries, uint64_t now_ms)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < tries; i++) {
        taken += limit_take(limit, bytes_of(name), now_ms) ? 1 : 0;
    }
    return taken;
}

Test(limit, gives_a_burst_then_a_rate)
{
    CLEARED(limit) limit = {0};

    limit_init(&limit, 2, 10, 1000);
    cr_assert_eq(limit_taken(&limit, "a", 50, 1000), 10);
    cr_assert_eq(limit_taken(&limit, "a", 50, 1499), 0);
    cr_assert_eq(limit_taken(&limit, "a", 50, 1500), 1);
    cr_assert_eq(limit_taken(&limit, "a", 50, 4000), 5);
    cr_assert_eq(limit_taken(&limit, "a", 50, 1000000), 10);
}

Test(limit, one_name_does_not_cost_another)
{
    CLEARED(limit) limit = {0};

    limit_init(&limit, 1, 3, 0);
    cr_assert_eq(limit_taken(&limit, "flood", 1000, 1), 3);
    cr_assert_eq(limit_taken(&limit, "good", 3, 1), 3);
}

Test(limit, a_clock_that_stands_still_or_goes_back_gives_nothing)
{
    CLEARED(limit) limit = {0};

    limit_init(&limit, 1000, 1, 5000);
    cr_assert_eq(limit_taken(&limit, "a", 5, 5000), 1);
    cr_assert_eq(limit_taken(&limit, "a", 5, 4000), 0);
}

/* 100,000 names cost the memory of LIMIT_NAMES_MAX, and those we know keep their own bucket. */
Test(limit, I17_remembers_a_bounded_number_of_names)
{
    CLEARED(limit) limit = {0};

    limit_init(&limit, 1, 2, 0);
    cr_assert_eq(limit_taken(&limit, "known", 1, 0), 1);
    for (unsigned i = 0; i < 100000; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "%u", i);
        (void)limit_take(&limit, bytes_of(name), 0);
        cr_assert_leq(limit.buckets.count, (size_t)LIMIT_NAMES_MAX);
    }
    cr_assert_eq(limit_taken(&limit, "known", 5, 0), 1);
    cr_assert_eq(limit_taken(&limit, "late", 5, 0), 0); /* shares the bucket of the many */
    cr_assert_eq(limit_taken(&limit, "late", 5, 10000), 2);
    cr_assert_lt(limit.buckets.count, (size_t)10); /* those that were full again were forgotten */
}
