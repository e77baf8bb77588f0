/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/schedule.h"

#include "tests/support/suite.h"

#define START_S INT64_C(1700000000)
#define DAY_MS (INT64_C(86400) * 1000)

SUITE(schedule);

Test(schedule, the_moment_of_renewal_lies_between_a_third_and_a_half_of_life_whatever_is_drawn)
{
    const int64_t issued_at = 1000;
    const int64_t expires_at = 4600; /* one hour; notBefore, five minutes earlier, does not count */

    for (uint64_t drawn = 0; drawn <= UINT32_MAX; drawn += 104729) {
        int64_t at = schedule_renewal_moment(issued_at, expires_at, (uint32_t)drawn);

        cr_assert(at >= issued_at + 1188 && at <= issued_at + 1800, "drawn %u: %ld",
                  (unsigned)drawn, (long)at);
    }
    cr_assert_eq(schedule_renewal_moment(issued_at, expires_at, 0), issued_at + 1188);
    cr_assert_eq(schedule_renewal_moment(issued_at, expires_at, UINT32_MAX), issued_at + 1800);
}

Test(schedule, lives_of_a_few_seconds_and_of_none_have_a_moment_too)
{
    for (int64_t life = 0; life < 20; life++) {
        for (unsigned i = 0; i < 5; i++) {
            int64_t at = schedule_renewal_moment(100, 100 + life, i * 0x3fffffffu);

            cr_assert(at >= 100 && at <= 100 + life / 2, "life %ld: %ld", (long)life, (long)at);
        }
    }
    cr_assert_eq(schedule_renewal_moment(100, 50, 7), 100);
}

static const struct schedule_now heard = {.boot_ms = 5000000, .unix_ms = START_S * 1000};

static const struct schedule_told hour_told = {START_S, START_S + 1500, START_S + 3600,
                                               START_S * 1000};

/* An hour from START_S, renewed after 25 minutes. */
static struct schedule hour(void)
{
    struct schedule schedule;

    cr_assert(schedule_make(&hour_told, heard, 0, &schedule));
    return schedule;
}

/* `boot_s` and `wall_s` after we heard. */
static struct schedule_now later(int64_t boot_s, int64_t wall_s)
{
    return (struct schedule_now){
        .boot_ms = (uint64_t)((int64_t)heard.boot_ms + boot_s * 1000),
        .unix_ms = heard.unix_ms + wall_s * 1000,
    };
}

Test(schedule, life_goes_from_fresh_to_due_to_worry_to_its_end)
{
    static const struct {
        int64_t after_s;
        enum schedule_verdict verdict;
        uint64_t wait_ms;
    } cases[] = {
        {0, SCHEDULE_FRESH, 1500000}, {1499, SCHEDULE_FRESH, 1000},   {1500, SCHEDULE_DUE, 1200000},
        {2699, SCHEDULE_DUE, 1000},   {2700, SCHEDULE_WORRY, 900000}, {3599, SCHEDULE_WORRY, 1000},
        {3600, SCHEDULE_EXPIRED, 0},  {99999, SCHEDULE_EXPIRED, 0},
    };
    struct schedule schedule = hour();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule_now now = later(cases[i].after_s, cases[i].after_s);

        cr_assert_eq(schedule_judge(&schedule, now), cases[i].verdict, "after %ld s",
                     (long)cases[i].after_s);
        cr_assert_eq(schedule_wait_ms(&schedule, now), cases[i].wait_ms, "after %ld s",
                     (long)cases[i].after_s);
    }
}

Test(schedule, a_suspend_a_snapshot_and_a_clock_set_back_change_nothing_for_the_worse)
{
    struct schedule schedule = hour();

    cr_assert_eq(schedule_judge(&schedule, later(1500, 1500)), SCHEDULE_DUE);
    cr_assert_eq(schedule_judge(&schedule, later(1500, -86400)), SCHEDULE_DUE,
                 "the wall clock was set back a day");
    cr_assert_eq(schedule_judge(&schedule, later(0, 1500)), SCHEDULE_DUE,
                 "a snapshot was restored: boot stood still");
    cr_assert_eq(schedule_judge(&schedule, later(57600, 57600)), SCHEDULE_EXPIRED,
                 "sixteen hours of sleep");
    cr_assert_eq(schedule_judge(&schedule, later(-10, -10)), SCHEDULE_FRESH);
}

Test(schedule, a_clock_that_is_wrong_by_a_constant_changes_nothing)
{
    for (int64_t off = -10 * DAY_MS; off <= 10 * DAY_MS; off += DAY_MS) {
        struct schedule_now now = {.boot_ms = 77, .unix_ms = START_S * 1000 + off};
        struct schedule schedule;

        cr_assert(schedule_make(&hour_told, now, 0, &schedule));
        cr_assert_eq(schedule_judge(&schedule, now), SCHEDULE_FRESH);
        cr_assert_eq(schedule_budget_s(&schedule, now), 3600);
        cr_assert_eq(schedule_on_our_clock(&schedule, START_S + 1500), START_S + 1500 + off / 1000);
        now.boot_ms += 1500000;
        now.unix_ms += 1500000;
        cr_assert_eq(schedule_judge(&schedule, now), SCHEDULE_DUE);
    }
}

Test(schedule, the_end_is_disputed_when_only_one_clock_says_so)
{
    struct schedule schedule = hour();

    cr_assert(!schedule_disputed(&schedule, later(10, 10)));
    cr_assert(schedule_disputed(&schedule, later(10, 86400)));
    cr_assert(schedule_disputed(&schedule, later(86400, 10)));
    cr_assert(!schedule_disputed(&schedule, later(86400, 86400)));
}

Test(schedule, the_outage_budget_is_what_is_left_and_never_negative)
{
    struct schedule schedule = hour();
    struct schedule none = {0};

    cr_assert_eq(schedule_budget_s(&schedule, later(0, 0)), 3600);
    cr_assert_eq(schedule_budget_s(&schedule, later(3000, 3000)), 600);
    cr_assert_eq(schedule_budget_s(&schedule, later(3000, 3300)), 300);
    cr_assert_eq(schedule_budget_s(&schedule, later(9999, 9999)), 0);
    cr_assert_eq(schedule_budget_s(&none, later(0, 0)), 0);
    cr_assert_eq(schedule_judge(&none, later(0, 0)), SCHEDULE_EXPIRED);
}

Test(schedule, dates_that_cannot_be_are_refused)
{
    static const struct {
        int64_t issued_at, not_after, server_ms;
    } cases[] = {
        {START_S, START_S, START_S * 1000},
        {START_S, START_S - 1, START_S * 1000},
        {-1, START_S, START_S},
        {START_S, START_S + 60, (START_S + 60) * 1000},
        {START_S, START_S + 60, -1},
        {START_S, INT64_MAX, START_S * 1000},
        {0, 0, 0},
    };
    struct schedule schedule;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule_told told = {cases[i].issued_at, cases[i].issued_at, cases[i].not_after,
                                     cases[i].server_ms};

        cr_assert(!schedule_make(&told, heard, 0, &schedule), "case %zu", i);
    }
}

Test(schedule, a_renewal_moment_outside_of_its_window_is_replaced)
{
    static const int64_t moments[] = {0, START_S, START_S + 3599, START_S + 99999, INT64_MAX, -5};
    struct schedule_told told = hour_told;
    struct schedule schedule;

    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        told.renew_at = moments[i];
        cr_assert(schedule_make(&told, heard, 0x80000000u, &schedule));
        cr_assert(schedule.renew_at >= START_S + 1188 && schedule.renew_at <= START_S + 1800);
    }
    told.renew_at = START_S + 1700;
    cr_assert(schedule_make(&told, heard, 0, &schedule));
    cr_assert_eq(schedule.renew_at, START_S + 1700, "the server's own draw counts");
}

Test(schedule, a_step_of_the_clock_is_told_from_a_suspend)
{
    cr_assert(!schedule_clock_stepped(later(0, 0), later(1, 1), 500));
    cr_assert(!schedule_clock_stepped(later(0, 0), later(50000, 50000), 500),
              "a suspend moves both");
    cr_assert(schedule_clock_stepped(later(0, 0), later(1, 3), 500));
    cr_assert(schedule_clock_stepped(later(0, 0), later(1, -3), 500));
}

Test(schedule, a_failed_renewal_is_tried_again_well_before_the_end_however_often_it_failed)
{
    struct schedule schedule = hour();
    struct schedule never = {0};
    int64_t passed_s = 1500;
    unsigned num_tries = 0;

    cr_assert_eq(schedule_retry_most_ms(&schedule, later(1500, 1500)), 2100u * 1000 / 8);
    /* Waiting the most each time, the last tries come close to the end, and not in a tight loop. */
    while (schedule_judge(&schedule, later(passed_s, passed_s)) != SCHEDULE_EXPIRED) {
        uint64_t most_ms = schedule_retry_most_ms(&schedule, later(passed_s, passed_s));

        cr_assert(most_ms >= 100 && (int64_t)most_ms < (3601 - passed_s) * 1000);
        passed_s += (int64_t)(most_ms + 999) / 1000;
        num_tries++;
    }
    cr_assert(num_tries > 10 && num_tries < 200, "%u", num_tries);
    cr_assert_eq(schedule_retry_most_ms(&schedule, later(3600, 3600)), UINT64_MAX);
    cr_assert_eq(schedule_retry_most_ms(&never, heard), UINT64_MAX);
}
