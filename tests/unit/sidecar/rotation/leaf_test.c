/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/leaf.h"

#include "core/runtime/base/clock.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(leaf);

#define WEB "spiffe://example.org/ns/shop/sa/web"

static int64_t origin_s; /* the moment at which each leaf of a test came */

static struct schedule_now after(int64_t passed_s, int64_t set_s)
{
    return (struct schedule_now){.boot_ms = (uint64_t)(1000000 + passed_s * 1000),
                                 .unix_ms = (origin_s + passed_s + set_s) * 1000};
}

/* A leaf of an hour that came at the origin, from a server whose clock is `ahead_s` of ours. */
static struct leaf came(int64_t ahead_s, uint64_t number)
{
    OWNED(test_ca) *root = test_ca_root("example.org");
    int64_t issued = origin_s + ahead_s;
    OWNED(test_ca) *cert = test_ca_leaf_between(root, WEB, issued - 300, issued + 3600);
    OWNED(svid) *svid = test_ca_svid(cert);
    struct schedule_told told = {.issued_at = issued,
                                 .renew_at = issued + 1440,
                                 .not_after = issued + 3600,
                                 .server_ms = issued * 1000};
    struct schedule schedule;
    struct leaf leaf = {0};

    cr_assert(schedule_make(&told, after(0, 0), 0, &schedule));
    leaf_init(&leaf, svid, &schedule, number);
    return leaf;
}

Test(leaf, both_clocks_of_ours_have_a_say)
{
    static const struct {
        int64_t ahead_s, passed_s, set_s;
        enum leaf_state state;
        bool over;
    } cases[] = {
        {0, 0, 0, LEAF_WORKS, false},
        {0, 0, -300, LEAF_WORKS, false}, /* it is backdated */
        {0, 0, -301, LEAF_FUTURE, false},
        {0, 3599, 0, LEAF_WORKS, false},
        {0, 3600, 0, LEAF_ENDED, true},
        {0, 0, 3600, LEAF_ENDED, false},     /* the wall clock alone */
        {0, 3600, -1000, LEAF_ENDED, false}, /* the boot clock alone */
        {86400, 0, 0, LEAF_FUTURE, false},
        {86400, 3600, 0, LEAF_ENDED, false}, /* its hour has passed, by the server's own word */
        {-86400, 0, 0, LEAF_ENDED, false},
    };

    origin_s = clock_unix_s();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct leaf leaf = came(cases[i].ahead_s, 1);
        struct schedule_now now = after(cases[i].passed_s, cases[i].set_s);

        cr_assert_eq(leaf_judge(&leaf, now), cases[i].state, "case %zu", i);
        cr_assert_eq(leaf_is_over(&leaf, now), cases[i].over, "case %zu", i);
        leaf_clear(&leaf);
    }
    struct leaf none = {0};
    cr_assert_eq(leaf_judge(&none, after(0, 0)), LEAF_NONE);
    cr_assert(leaf_is_over(&none, after(0, 0)));
}

Test(leaf, one_that_works_is_better_than_one_that_does_not)
{
    origin_s = clock_unix_s();
    struct leaf none = {0};
    struct leaf works = came(0, 1);
    struct leaf newer = came(10, 2);
    struct leaf future = came(86400, 3);
    struct leaf later = came(172800, 4);
    struct leaf past = came(-86400, 5);
    struct leaf *const from_best[] = {&newer, &works, &future, &later, &past, &none};
    enum { NUM = sizeof from_best / sizeof from_best[0] };

    for (size_t a = 0; a < NUM; a++) {
        for (size_t b = 0; b < NUM; b++) {
            cr_assert_eq(leaf_better(from_best[a], from_best[b], after(0, 0)), a < b, "%zu %zu", a,
                         b);
        }
    }
    for (size_t i = 0; i < NUM; i++) {
        leaf_clear(from_best[i]);
    }
}

Test(leaf, what_may_serve_another_day_is_worth_keeping)
{
    origin_s = clock_unix_s();
    struct leaf none = {0};
    struct leaf works = came(0, 1);
    struct leaf future = came(86400, 3);
    struct leaf later = came(172800, 4);
    struct leaf past = came(-86400, 5);
    struct leaf *const from_best[] = {&future, &later, &past, &works, &none};
    enum { NUM = sizeof from_best / sizeof from_best[0] };

    for (size_t a = 0; a < NUM; a++) {
        for (size_t b = 0; b < NUM; b++) {
            cr_assert_eq(leaf_worth_keeping(from_best[a], from_best[b], after(0, 0)), a < b,
                         "%zu %zu", a, b);
        }
    }
    cr_assert(leaf_worth_keeping(&future, &works, after(3601, 0)), "the other one is over");
    cr_assert(!leaf_worth_keeping(&works, &future, after(3601, 0)));
    for (size_t i = 0; i < NUM; i++) {
        leaf_clear(from_best[i]);
    }
}
