/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/turn.h"

static uint64_t turn_now_us(void)
{
    return uv_hrtime() / 1000;
}

static void turn_idled(uv_idle_t *idle)
{
    (void)idle; /* that it is there keeps polling from sleeping */
}

static void turn_rest(struct turn *turn)
{
    turn->awake = false;
    (void)uv_check_stop(&turn->check);
    (void)uv_idle_stop(&turn->idle);
}

static void turn_checked(uv_check_t *check)
{
    struct turn *turn = check->data;
    uint64_t until_us = turn_now_us() + TURN_US;

    do {
        if (!turn->piece(turn->user)) {
            turn_rest(turn);
            return;
        }
    } while (turn_now_us() < until_us);
}

void turn_init(struct turn *turn, struct worker *worker, bool (*piece)(void *user), void *user)
{
    *turn = (struct turn){.piece = piece, .user = user};
    (void)uv_check_init(&worker->loop, &turn->check);
    (void)uv_idle_init(&worker->loop, &turn->idle);
    turn->check.data = turn;
}

void turn_wake(struct turn *turn)
{
    if (!turn->awake && !turn->closed) {
        turn->awake = true;
        (void)uv_check_start(&turn->check, turn_checked);
        (void)uv_idle_start(&turn->idle, turn_idled);
    }
}

void turn_close(struct turn *turn)
{
    turn->closed = true;
    uv_close((uv_handle_t *)&turn->check, NULL);
    uv_close((uv_handle_t *)&turn->idle, NULL);
}
