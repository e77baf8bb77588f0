/* SPDX-License-Identifier: Apache-2.0 */
/* When a drain is over, in simulated time. */
#include "core/sidecar/proxy/drain.h"

#include "tests/support/suite.h"

SUITE(drain);

enum { DRAIN_TEST_STEP_MS = 250 };

/* Looks at the same view until `until_ms`, which must always go on; the last verdict. */
static enum drain_verdict drain_test_look(struct drain_judge *judge, uint64_t *now_ms,
                                          uint64_t until_ms, const struct drain_view *view)
{
    enum drain_verdict verdict = DRAIN_GOES_ON;

    while (*now_ms < until_ms) {
        *now_ms += DRAIN_TEST_STEP_MS;
        verdict = drain_judge_look(judge, view, *now_ms);
        if (verdict == DRAIN_IS_QUIET || verdict == DRAIN_IS_LATE) {
            break;
        }
    }
    return verdict;
}

Test(drain, without_a_connection_it_waits_for_those_who_still_come)
{
    struct drain_judge judge;
    struct drain_view view = {.accepted = 7};
    uint64_t now_ms = 1000;

    drain_judge_begin(&judge, DRAIN_UNTIL_IDLE, 30000, now_ms);
    cr_assert_eq(drain_test_look(&judge, &now_ms, 5750, &view), DRAIN_GOES_ON);
    view.accepted++; /* one came and went between two looks */
    cr_assert_eq(drain_test_look(&judge, &now_ms, 10750, &view), DRAIN_GOES_ON);
    cr_assert_eq(drain_test_look(&judge, &now_ms, 11500, &view), DRAIN_IS_QUIET);
    cr_assert_eq(now_ms, 11000, "5 s after the last one, not after TERM");
}

Test(drain, a_live_connection_keeps_it_up_to_the_grace)
{
    struct drain_judge judge;
    struct drain_view view = {.live = 1};
    uint64_t now_ms = 0;

    drain_judge_begin(&judge, DRAIN_UNTIL_IDLE, 30000, now_ms);
    cr_assert_eq(drain_test_look(&judge, &now_ms, 22250, &view), DRAIN_GOES_ON);
    cr_assert_eq(drain_test_look(&judge, &now_ms, 29750, &view), DRAIN_LAST_QUARTER);
    cr_assert_eq(drain_test_look(&judge, &now_ms, 60000, &view), DRAIN_IS_LATE);
    cr_assert_eq(now_ms, 30000);
}

Test(drain, while_somebody_has_a_socket_here_it_goes_on_though_nothing_comes)
{
    struct drain_judge judge;
    struct drain_view view = {.others = true};
    uint64_t now_ms = 0;

    drain_judge_begin(&judge, DRAIN_UNTIL_SOCKETS, 60000, now_ms);
    cr_assert_eq(drain_test_look(&judge, &now_ms, 20000, &view), DRAIN_GOES_ON);
    view.others = false;
    cr_assert_eq(drain_test_look(&judge, &now_ms, 22000, &view), DRAIN_GOES_ON);
    view.others = true; /* a pre-stop hook that was between two calls */
    cr_assert_eq(drain_test_look(&judge, &now_ms, 22250, &view), DRAIN_GOES_ON);
    view.others = false;
    cr_assert_eq(drain_test_look(&judge, &now_ms, 60000, &view), DRAIN_IS_QUIET);
    cr_assert_eq(now_ms, 25250, "3 s together");
}

/* The application has written its last answer and gone; the kernel still sends it, through us. */
Test(drain, what_an_application_that_is_gone_has_left_is_let_through)
{
    struct drain_judge judge;
    struct drain_view view = {.live = 1};
    uint64_t now_ms = 0;

    drain_judge_begin(&judge, DRAIN_UNTIL_SOCKETS, 60000, now_ms);
    while (now_ms < 10000) {
        now_ms += DRAIN_TEST_STEP_MS;
        view.bytes += 1000;
        cr_assert_eq(drain_judge_look(&judge, &view, now_ms), DRAIN_GOES_ON);
    }
    cr_assert_eq(drain_test_look(&judge, &now_ms, 60000, &view), DRAIN_IS_QUIET);
    cr_assert_eq(now_ms, 13000, "a silent half of a connection keeps nobody");
}

Test(drain, no_grace_is_at_once)
{
    struct drain_judge judge;
    struct drain_view view = {.live = 3, .others = true};

    drain_judge_begin(&judge, DRAIN_UNTIL_SOCKETS, 0, 5);
    cr_assert_eq(drain_judge_look(&judge, &view, 5), DRAIN_IS_LATE);
}

Test(drain, idle_is_for_five_seconds_or_the_last_quarter)
{
    cr_assert_eq(drain_idle_ms(30000), 5000);
    cr_assert_eq(drain_idle_ms(8000), 2000);
}
