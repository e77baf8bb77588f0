/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/steady.h"
#include "tests/support/suite.h"

SUITE(steady);

enum { MINUTE = 60000 };

#define WALL INT64_C(1800000000000)

/* Both clocks at `ms` after the test's begin, the wall clock `ahead_ms` ahead. */
static struct steady_now at(int64_t ms, int64_t ahead_ms)
{
    return (struct steady_now){WALL + ms + ahead_ms, (uint64_t)(1000 + ms)};
}

Test(steady, nothing_is_known_before_the_first_look)
{
    struct steady steady = {0};

    cr_assert_eq(steady_for_ms(&steady, at(100 * MINUTE, 0)), 0);
    cr_assert_not(steady_enough(&steady, at(100 * MINUTE, 0), 6));
    cr_assert_not(steady_look(&steady, at(100 * MINUTE, 0)));
    cr_assert_not(steady_enough(&steady, at(100 * MINUTE, 0), 6));
    cr_assert(steady_enough(&steady, at(100 * MINUTE + 300, 0), 6));
}

Test(steady, the_wait_is_ten_minutes_or_a_twentieth_of_the_life)
{
    static const struct {
        int64_t life_s;
        uint64_t wait_ms;
    } rows[] = {{14 * 86400, 600000}, {12 * 3600, 600000}, {12000, 600000}, {11999, 599950},
                {120, 6000},          {6, 300},            {0, 0},          {-5, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(steady_wait_ms(rows[i].life_s), rows[i].wait_ms, "%lld",
                     (long long)rows[i].life_s);
    }
}

Test(steady, a_jump_either_way_begins_the_count_anew)
{
    static const int64_t jumps[] = {5001, -5001, 30 * 86400000LL, -30 * 86400000LL};

    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        struct steady steady = {0};

        cr_assert_not(steady_look(&steady, at(0, 0)));
        cr_assert_not(steady_look(&steady, at(9 * MINUTE, 0)));
        cr_assert(steady_look(&steady, at(10 * MINUTE, jumps[i])));
        cr_assert_eq(steady.stepped_ms, jumps[i]);
        cr_assert_eq(steady.stepped_at, (WALL + 10 * MINUTE + jumps[i]) / 1000);
        cr_assert_not(steady_look(&steady, at(19 * MINUTE, jumps[i])));
        cr_assert_not(steady_enough(&steady, at(19 * MINUTE, jumps[i]), 86400));
        cr_assert_not(steady_look(&steady, at(20 * MINUTE, jumps[i])));
        cr_assert(steady_enough(&steady, at(20 * MINUTE, jumps[i]), 86400));
        cr_assert(steady_look(&steady, at(21 * MINUTE, 0)), "and back");
        cr_assert_not(steady_enough(&steady, at(21 * MINUTE, 0), 86400));
        cr_assert_eq(steady.num_steps, 2);
    }
}

Test(steady, five_seconds_are_no_jump_and_a_slow_drift_never_adds_up_to_one)
{
    struct steady steady = {0};

    cr_assert_not(steady_look(&steady, at(0, 0)));
    cr_assert_not(steady_look(&steady, at(1000, 5000)));
    cr_assert_not(steady_look(&steady, at(2000, -5000)));
    steady = (struct steady){0};
    for (int64_t minute = 0; minute < 30 * 24 * 60; minute++) { /* a second an hour, for a month */
        cr_assert_not(steady_look(&steady, at(minute * MINUTE, minute * 1000 / 60)));
    }
    cr_assert(steady_enough(&steady, at(30LL * 24 * 60 * MINUTE, 720000), 86400));
}

/* Small pushes that would each be forgiven are a jump when they come within one wait. */
Test(steady, many_small_pushes_are_a_jump)
{
    struct steady steady = {0};
    bool stepped = false;

    for (int64_t i = 0; i < 10 && !stepped; i++) {
        stepped = steady_look(&steady, at(i * 1000, i * 2000));
    }
    cr_assert(stepped);
}

/* A suspend moves both clocks: nothing to doubt. */
Test(steady, a_night_of_sleep_is_no_jump)
{
    struct steady steady = {0};

    cr_assert_not(steady_look(&steady, at(0, 0)));
    cr_assert_not(steady_look(&steady, at(16LL * 60 * MINUTE, 0)));
    cr_assert(steady_enough(&steady, at(16LL * 60 * MINUTE, 0), 86400));
}
