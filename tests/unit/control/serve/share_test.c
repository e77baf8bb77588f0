/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/share.h"

#include <stdio.h>

#include "core/control/serve/strangers.h"
#include "tests/support/suite.h"

SUITE(share, .timeout = 60);
SUITE(strangers, .timeout = 60);

static unsigned share_taken(struct share *share, unsigned name, unsigned tries, uint64_t now_ms)
{
    char text[16];
    unsigned taken = 0;

    (void)snprintf(text, sizeof text, "%u", name);
    for (unsigned i = 0; i < tries; i++) {
        taken += share_take(share, bytes_of(text), now_ms);
    }
    return taken;
}

Test(share, one_alone_takes_a_fifth_and_then_what_flows_back)
{
    CLEARED(share) share = {0};
    unsigned later = 0;

    share_init(&share, 200, 1000, 0);
    cr_assert_eq(share_taken(&share, 1, 5000, 0), 200);
    for (uint64_t now = 10; now <= 10000; now += 10) {
        later += share_taken(&share, 1, 100, now);
    }
    cr_assert(later > 1900 && later < 2100, "%u in ten seconds", later);
    cr_assert_eq(share_taken(&share, 1, 5000, 1000000), 200, "a pause brings all of it back");
}

/* Whatever others do, and for however long: who comes now gets in, for as many as they are. */
Test(share, I17_takers_without_shame_leave_a_part_for_a_newcomer)
{
    static const unsigned crowds[] = {1, 2, 10, 50, 200, 900};

    for (size_t row = 0; row < sizeof crowds / sizeof crowds[0]; row++) {
        CLEARED(share) share = {0};
        uint64_t now = 0;
        unsigned first;

        share_init(&share, 200, 1000, 0);
        for (; now < 20000; now += 10) {
            for (unsigned name = 1; name <= crowds[row]; name++) {
                (void)share_taken(&share, name, 300 / crowds[row] + 1, now);
            }
        }
        first = share_taken(&share, 0, 1000, now);
        cr_assert_geq(first, 1, "with %u others", crowds[row]);
        cr_assert(crowds[row] > 10 || first >= 50, "with %u others: %u", crowds[row], first);
    }
}

Test(share, all_together_take_no_more_than_there_is)
{
    CLEARED(share) share = {0};
    unsigned taken = 0;

    share_init(&share, 200, 1000, 0);
    for (uint64_t now = 0; now < 10000; now += 10) {
        for (unsigned name = 0; name < 100; name++) {
            taken += share_taken(&share, name, 20, now);
        }
    }
    cr_assert(taken > 200 * 10 && taken <= 1000 + 200 * 10, "%u in ten seconds", taken);
}

Test(share, what_is_given_back_was_not_taken)
{
    CLEARED(share) share = {0};

    share_init(&share, 1, 100, 0);
    for (unsigned i = 0; i < 10000; i++) {
        cr_assert(share_take(&share, bytes_of("good"), 0), "after %u", i);
        share_give(&share, bytes_of("good"), 0);
    }
    share_give(&share, bytes_of("nothing"), 0);
    cr_assert_eq(share_taken(&share, 1, 100, 0), 20);
}

Test(share, a_clock_that_stands_still_or_goes_back_gives_nothing)
{
    CLEARED(share) share = {0};

    share_init(&share, 1000, 5, 5000);
    cr_assert_eq(share_taken(&share, 1, 5, 5000), 1);
    cr_assert_eq(share_taken(&share, 1, 5, 4000), 0);
}

Test(share, I17_remembers_a_bounded_number_of_names)
{
    CLEARED(share) share = {0};

    share_init(&share, 100000, 100000, 0);
    for (unsigned i = 0; i < 100000; i++) {
        (void)share_taken(&share, i, 1, i / 1000);
        cr_assert_leq(share.takers.count, (size_t)SHARE_NAMES_MAX);
    }
    (void)share_taken(&share, 1000000, 1, 100000);
    cr_assert_lt(share.takers.count, (size_t)10, "those who hold nothing are forgotten");
}

/* ---- who counts as whom ---- */

static unsigned strangers_admitted(struct strangers *strangers, const char *form, unsigned sources,
                                   unsigned tries)
{
    unsigned admitted = 0;

    for (unsigned i = 0; i < sources * tries; i++) {
        char address[96];

        (void)snprintf(address, sizeof address, form, i % sources, 1024 + i % 60000);
        admitted += strangers_admit(strangers, address, 0, NULL) == STATUS_OK;
    }
    return admitted;
}

/* The plan of Bootstrap. */
static const struct strangers_plan strangers_test_plan = {.per_second = 20,
                                                          .burst = 200,
                                                          .all_per_second = 200,
                                                          .all_burst = 1000,
                                                          .reason = "bootstrap/rate"};

Test(strangers, I17_ten_addresses_do_not_use_up_what_an_eleventh_needs)
{
    CLEARED(strangers) strangers = {0};
    struct failure why = {0};

    strangers_init(&strangers, &strangers_test_plan, 0);
    cr_assert_gt(strangers_admitted(&strangers, "ipv4:10.0.0.%u:%u", 10, 1000), 500);
    cr_assert_eq(strangers_admit(&strangers, "ipv4:10.0.0.3:9", 0, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "bootstrap/rate");
    cr_assert_geq(strangers_admitted(&strangers, "ipv4:192.0.2.1%.0u:%u", 1, 50), 50);
}

Test(strangers, an_ipv6_address_counts_by_its_64_and_a_mapped_one_as_ipv4)
{
    CLEARED(strangers) strangers = {0};

    strangers_init(&strangers, &strangers_test_plan, 0);
    cr_assert_eq(strangers_admitted(&strangers, "ipv6:%%5B2001:db8:0:1::%x%%5D:%u", 1000, 2), 200);
    cr_assert_eq(strangers_admitted(&strangers, "ipv6:[2001:db8:0:1:ffff::%x]:%u", 1000, 2), 0);
    cr_assert_gt(strangers_admitted(&strangers, "ipv6:%%5B2001:db8:0:2::%x%%5D:%u", 1, 10), 0);
    strangers_clear(&strangers);
    strangers_init(&strangers, &strangers_test_plan, 0);
    cr_assert_eq(strangers_admitted(&strangers, "ipv6:%%5B::ffff:10.0.0.7%.0u%%5D:%u", 1, 300),
                 200);
    cr_assert_eq(strangers_admitted(&strangers, "ipv4:10.0.0.7%.0u:%u", 1, 300), 0);
}

Test(strangers, whoever_has_proved_who_he_is_costs_nothing)
{
    CLEARED(strangers) strangers = {0};

    strangers_init(&strangers, &strangers_test_plan, 0);
    for (unsigned i = 0; i < 5000; i++) {
        cr_assert_eq(strangers_admit(&strangers, "ipv4:10.0.0.7:9", 0, NULL), STATUS_OK);
        strangers_forgive(&strangers, "ipv4:10.0.0.7:9", 0);
    }
}
