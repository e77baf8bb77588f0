/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/rounds.h"

enum { ROUNDS_PERIOD_MS = 5000 };

static void rounds_fired(struct timer *timer, void *user)
{
    struct rounds *rounds = user;
    struct list now;

    (void)timer;
    if (list_is_empty(&rounds->list)) {
        rounds->running = false;
        timer_stop(&rounds->timer);
        return;
    }
    /* Whoever joins during the round is looked at in the next. */
    list_init(&now);
    while (!list_is_empty(&rounds->list)) {
        struct list_link *link = rounds->list.head.next;

        list_remove(link);
        list_add(&now, link);
    }
    while (!list_is_empty(&now)) {
        struct round *round = LIST_OF(now.head.next, struct round, link);

        list_remove(&round->link);
        round->look(round);
    }
}

void rounds_open(struct rounds *rounds, uv_loop_t *loop)
{
    *rounds = (struct rounds){.period_ms = ROUNDS_PERIOD_MS};
    list_init(&rounds->list);
    timer_init(&rounds->timer, loop, rounds_fired, rounds);
}

void rounds_close(struct rounds *rounds)
{
    if (!rounds->closed) {
        rounds->closed = true;
        timer_close(&rounds->timer, NULL);
    }
}

void rounds_join(struct rounds *rounds, struct round *round)
{
    if (list_has(&round->link)) {
        return;
    }
    list_add(&rounds->list, &round->link);
    if (!rounds->running && !rounds->closed) {
        rounds->running = true;
        timer_start(&rounds->timer, rounds->period_ms, rounds->period_ms);
    }
}

void rounds_leave(struct round *round)
{
    list_remove(&round->link);
}
