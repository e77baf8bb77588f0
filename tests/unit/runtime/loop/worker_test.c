/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "core/runtime/loop/signals.h"
#include "core/runtime/loop/timer.h"
#include "core/runtime/loop/worker.h"
#include "tests/support/suite.h"

SUITE(worker, .timeout = 20);

Test(worker, the_default_count_is_at_least_one)
{
    cr_assert_geq(worker_count_default(), 1u);
    cr_assert_leq(worker_count_default(), 4096u);
}

Test(worker, a_quota_says_how_many_and_without_one_it_is_four_at_most)
{
    static const unsigned cases[][3] = {
        {0, 1, 1},   {0, 4, 4},  {0, 5, 4},  {0, 128, 4}, /* quota, CPUs, workers */
        {1, 128, 1}, {8, 128, 8}, {8, 2, 2},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(worker_count_of(cases[i][0], cases[i][1]), cases[i][2], "case %zu", i);
    }
}

static void worker_test_begin(struct worker *worker, void *user)
{
    *(unsigned *)user = worker->index;
    cr_assert_eq(worker_of(&worker->loop), worker);
    worker_stop(worker);
}

Test(worker, begins_on_its_own_thread_and_ends_when_stopped)
{
    struct worker worker;
    unsigned index = 0;

    worker_start(&worker, 3, worker_test_begin, &index);
    worker_join(&worker);
    cr_assert_eq(index, 3);
}

struct worker_scene {
    struct worker main;
    struct timer timer;
    struct signals signals;
    int fired;
    int number;
};

static void worker_test_fired(struct timer *timer, void *user)
{
    struct worker_scene *scene = user;

    if (++scene->fired == 3) {
        timer_close(timer, NULL);
        worker_stop(&scene->main);
    }
}

Test(worker, a_timer_repeats_until_it_is_closed)
{
    struct worker_scene scene = {0};

    worker_init_main(&scene.main);
    timer_init(&scene.timer, &scene.main.loop, worker_test_fired, &scene);
    timer_start(&scene.timer, 1, 1);
    worker_run_main(&scene.main);
    worker_clear(&scene.main);
    cr_assert_eq(scene.fired, 3);
}

static void worker_test_signal(void *user, int number)
{
    struct worker_scene *scene = user;

    scene->number = number;
    signals_close(&scene->signals);
    worker_stop(&scene->main);
}

Test(worker, a_signal_is_an_event_of_the_main_loop)
{
    struct worker_scene scene = {0};

    worker_init_main(&scene.main);
    signals_start(&scene.signals, &scene.main.loop, worker_test_signal, &scene);
    cr_assert_eq(raise(SIGPIPE), 0); /* ignored */
    cr_assert_eq(raise(SIGHUP), 0);
    worker_run_main(&scene.main);
    worker_clear(&scene.main);
    cr_assert_eq(scene.number, SIGHUP);
}

Test(worker, scratch_areas_are_its_own_and_apart)
{
    struct worker worker;
    uint8_t *first;

    worker_init_main(&worker);
    first = worker_scratch(&worker, 0);
    cr_assert_eq(worker_scratch(&worker, 0), first);
    cr_assert_neq(worker_scratch(&worker, 1), first);
    first[WORKER_SCRATCH_SIZE - 1] = 1;
    worker_stop(&worker);
    worker_run_main(&worker);
    worker_clear(&worker);
}
