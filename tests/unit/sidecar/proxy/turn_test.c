/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/turn.h"

#include <unistd.h>

#include "tests/support/suite.h"

SUITE(turn, .timeout = 30);

struct turn_rig {
    struct worker worker;
    struct turn turn;
    uv_async_t flow;    /* another event of the loop, always there */
    unsigned left;      /* pieces of work */
    unsigned done;      /* of them */
    unsigned flows;     /* turns of the other event */
    unsigned in_a_row;  /* pieces since it ran */
    unsigned most;      /* of them, ever */
    unsigned piece_us;
};

static bool turn_rig_piece(void *user)
{
    struct turn_rig *rig = user;

    if (rig->left == 0) {
        return false;
    }
    rig->left--;
    rig->done++;
    rig->in_a_row++;
    rig->most = rig->in_a_row > rig->most ? rig->in_a_row : rig->most;
    if (rig->piece_us > 0) {
        (void)usleep(rig->piece_us);
    }
    return true;
}

static void turn_rig_flowed(uv_async_t *flow)
{
    struct turn_rig *rig = flow->data;

    rig->flows++;
    rig->in_a_row = 0;
    if (rig->left > 0) {
        (void)uv_async_send(flow);
    }
}

static void turn_rig_open(struct turn_rig *rig)
{
    *rig = (struct turn_rig){0};
    worker_init_main(&rig->worker);
    turn_init(&rig->turn, &rig->worker, turn_rig_piece, rig);
    (void)uv_async_init(&rig->worker.loop, &rig->flow, turn_rig_flowed);
    rig->flow.data = rig;
}

static void turn_rig_close(struct turn_rig *rig)
{
    turn_close(&rig->turn);
    uv_close((uv_handle_t *)&rig->flow, NULL);
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
}

/* A piece that takes longer than the budget is alone in its turn. */
Test(turn, other_events_go_on_between_costly_pieces)
{
    struct turn_rig rig;

    turn_rig_open(&rig);
    rig.left = 50;
    rig.piece_us = 2 * TURN_US;
    (void)uv_async_send(&rig.flow);
    turn_wake(&rig.turn);
    while (rig.left > 0) {
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE);
    }
    cr_assert_eq(rig.done, 50);
    cr_assert_geq(rig.flows, 40, "only %u turns of the other event", rig.flows);
    cr_assert_leq(rig.most, 2, "%u pieces in a row", rig.most);
    turn_rig_close(&rig);
}

Test(turn, it_rests_when_no_work_is_left_and_wakes_again)
{
    struct turn_rig rig;

    turn_rig_open(&rig);
    for (unsigned round = 1; round <= 3; round++) {
        rig.left = 10;
        turn_wake(&rig.turn);
        for (int i = 0; i < 100 && rig.turn.awake; i++) {
            (void)uv_run(&rig.worker.loop, UV_RUN_NOWAIT);
        }
        cr_assert_eq(rig.done, 10 * round);
        cr_assert_not(rig.turn.awake, "the loop would never sleep again");
        cr_assert_not(uv_is_active((uv_handle_t *)&rig.turn.idle));
    }
    turn_rig_close(&rig);
}

/* Cheap pieces do not cost a polling each. */
Test(turn, small_pieces_share_a_turn)
{
    struct turn_rig rig;

    turn_rig_open(&rig);
    rig.left = 100000;
    (void)uv_async_send(&rig.flow);
    turn_wake(&rig.turn);
    while (rig.left > 0) {
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE);
    }
    cr_assert_lt(rig.flows, 50000);
    cr_assert_gt(rig.flows, 1);
    turn_rig_close(&rig);
}
