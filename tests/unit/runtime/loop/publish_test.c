/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "core/runtime/base/memory.h"
#include "core/runtime/loop/publish.h"
#include "tests/support/suite.h"

SUITE(publish, .timeout = 20);

enum { PUBLISH_TEST_WORKERS = 3 };

struct published {
    atomic_int references;
    int number;
};

static void *published_ref(void *value)
{
    (void)atomic_fetch_add(&((struct published *)value)->references, 1);
    return value;
}

static void published_drop(void *value)
{
    if (atomic_fetch_sub(&((struct published *)value)->references, 1) == 1) {
        free(value);
    }
}

static const struct publish_type published_type = {published_ref, published_drop};

struct publish_scene {
    struct worker home;
    struct worker workers[PUBLISH_TEST_WORKERS];
    struct published *slots[PUBLISH_TEST_WORKERS]; /* each is its worker's */
    struct mail stops[PUBLISH_TEST_WORKERS];
    atomic_int wrong_threads;
    int rounds;
};

static struct publish_scene scene;

static void publish_test_apply(struct worker *worker, void *user, void *value)
{
    struct publish_scene *at = user;
    struct published **slot = &at->slots[worker - at->workers];

    if (!pthread_equal(pthread_self(), worker->thread)) {
        (void)atomic_fetch_add(&at->wrong_threads, 1);
    }
    if (*slot != NULL) {
        published_drop(*slot);
    }
    *slot = value;
}

static void publish_test_stop(struct mail *mail)
{
    struct worker *worker = &scene.workers[mail - scene.stops];

    published_drop(scene.slots[mail - scene.stops]);
    worker_stop(worker);
}

static void publish_test_round(int number);

static void publish_test_all_have(void *user)
{
    struct publish_scene *at = user;

    for (int i = 0; i < PUBLISH_TEST_WORKERS; i++) {
        cr_assert_eq(at->slots[i]->number, at->rounds);
    }
    if (at->rounds < 50) {
        publish_test_round(at->rounds + 1);
        return;
    }
    for (int i = 0; i < PUBLISH_TEST_WORKERS; i++) {
        at->stops[i].deliver = publish_test_stop;
        mailbox_post(&at->workers[i].mailbox, &at->stops[i]);
    }
    worker_stop(&at->home);
}

static void publish_test_round(int number)
{
    struct published *value = memory_make(sizeof *value);

    atomic_init(&value->references, 1);
    value->number = number;
    scene.rounds = number;
    publish(&(struct publication){.home = &scene.home,
                                  .workers = scene.workers,
                                  .num_workers = PUBLISH_TEST_WORKERS,
                                  .type = &published_type,
                                  .apply = publish_test_apply,
                                  .user = &scene,
                                  .all_have = publish_test_all_have,
                                  .done_user = &scene},
            value);
    published_drop(value);
}

/* Each value reaches all three on their own threads, and the last reference frees it (ASan
 * watches). */
Test(publish, every_worker_gets_every_value)
{
    worker_init_main(&scene.home);
    for (unsigned i = 0; i < PUBLISH_TEST_WORKERS; i++) {
        worker_start(&scene.workers[i], i + 1, NULL, NULL);
    }
    publish_test_round(1);
    worker_run_main(&scene.home);
    for (unsigned i = 0; i < PUBLISH_TEST_WORKERS; i++) {
        worker_join(&scene.workers[i]);
    }
    worker_clear(&scene.home);
    cr_assert_eq(scene.rounds, 50);
    cr_assert_eq(atomic_load(&scene.wrong_threads), 0);
}

static void publish_test_nobody(void *user)
{
    worker_stop(user);
}

Test(publish, with_no_workers_all_have_it_at_once_but_from_the_loop)
{
    struct published value = {.references = 1};

    worker_init_main(&scene.home);
    publish(&(struct publication){.home = &scene.home,
                                  .type = &published_type,
                                  .apply = publish_test_apply,
                                  .all_have = publish_test_nobody,
                                  .done_user = &scene.home},
            &value);
    worker_run_main(&scene.home);
    worker_clear(&scene.home);
    cr_assert_eq(atomic_load(&value.references), 1);
}
