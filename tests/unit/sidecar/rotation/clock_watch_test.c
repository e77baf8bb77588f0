/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/clock_watch.h"

#include <stdio.h>

#include "tests/support/suite.h"

SUITE(clock_watch, .timeout = 20);

static void count(void *user)
{
    ++*(unsigned *)user;
}

static void wake(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

/* Setting the machine's clock is no test's business: what is seen here is that it sleeps, and closes. */
Test(clock_watch, says_nothing_while_nobody_sets_the_clock)
{
    uv_loop_t loop;
    uv_timer_t timer;
    struct clock_watch watch;
    unsigned counted[1] = {0};

    cr_assert_eq(uv_loop_init(&loop), 0);
    if (!clock_watch_start(&watch, &loop, count, counted)) {
        (void)uv_loop_close(&loop);
        cr_skip_test("this kernel gives no timerfd");
    }
    (void)uv_timer_init(&loop, &timer);
    (void)uv_timer_start(&timer, wake, 100, 0);
    for (int turns = 0; turns < 1000 && uv_is_active((uv_handle_t *)&timer); turns++) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    cr_assert_eq(counted[0], 0);
    clock_watch_close(&watch, count);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(counted[0], 1, "closed");
    cr_assert_eq(watch.timer, -1);
    cr_assert_eq(uv_loop_close(&loop), 0);
}
