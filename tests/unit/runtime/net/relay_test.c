/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/net/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/list.h"
#include "tests/support/memory_stream.h"
#include "tests/support/suite.h"

SUITE(relay, .timeout = 60);

/* The far end of one side of the relay: sends a pattern, checks the one that comes. */
struct relay_far {
    struct relay_rig *rig;
    struct stream *stream;
    uint8_t salt;
    size_t to_send, sent, received;
    bool end_after_peer; /* ends only once the other side's end has come */
    bool ended, peer_ended, broken;
};

struct relay_rig {
    struct worker worker;
    struct relay relay;
    struct stream *inner[2];
    struct relay_far far[2];
    int done;
    enum status status;
    char reason[32];
};

static uint8_t relay_pattern(uint8_t salt, size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16) + salt);
}

static void relay_far_receive(struct relay_far *far)
{
    uint8_t *room = worker_scratch(&far->rig->worker, 0);
    size_t got = 0;
    enum status status;

    while ((status = stream_read(far->stream, room, WORKER_SCRATCH_SIZE, &got, NULL)) ==
           STATUS_OK) {
        for (size_t i = 0; i < got; i++) {
            uint8_t salt = (uint8_t)(255 - far->salt);

            cr_assert_eq(room[i], relay_pattern(salt, far->received + i));
        }
        far->received += got;
    }
    far->peer_ended = far->peer_ended || status == STATUS_CLOSED;
    far->broken = far->broken || status == STATUS_IO;
}

static void relay_far_send(struct relay_far *far)
{
    uint8_t block[20000];
    size_t sent = 0;

    while (far->sent < far->to_send) {
        size_t len =
            far->to_send - far->sent < sizeof block ? far->to_send - far->sent : sizeof block;

        for (size_t i = 0; i < len; i++) {
            block[i] = relay_pattern(far->salt, far->sent + i);
        }
        if (stream_write(far->stream, bytes_make(block, len), &sent, NULL) != STATUS_OK) {
            return;
        }
        far->sent += sent;
    }
}

static void relay_far_ready(void *user, unsigned events)
{
    struct relay_far *far = user;
    unsigned wanted = 0;

    (void)events;
    if (!far->peer_ended) {
        relay_far_receive(far);
    }
    if (!far->ended && !far->broken) {
        relay_far_send(far);
    }
    if (!far->ended && far->sent == far->to_send && (!far->end_after_peer || far->peer_ended)) {
        far->ended = true;
        cr_assert_eq(stream_shutdown(far->stream, NULL), STATUS_OK);
    }
    wanted |= far->peer_ended ? 0u : STREAM_READABLE;
    wanted |= far->ended || far->sent == far->to_send ? 0u : STREAM_WRITABLE;
    stream_interest(far->stream, far->broken ? 0 : wanted);
}

static void relay_rig_done(struct relay *relay, enum status status, const struct failure *why)
{
    struct relay_rig *rig = LIST_OF(relay, struct relay_rig, relay);

    rig->done++;
    rig->status = status;
    (void)snprintf(rig->reason, sizeof rig->reason, "%s", why->reason == NULL ? "" : why->reason);
}

static void relay_rig_open(struct relay_rig *rig, const struct memory_stream_plan *plan)
{
    *rig = (struct relay_rig){0};
    worker_init_main(&rig->worker);
    for (unsigned i = 0; i < 2; i++) {
        struct memory_stream_plan own = *plan;
        struct stream *ends[2];

        own.seed += own.seed == 0 ? 0 : i * 1000003;
        memory_stream_pair(&rig->worker, &own, ends);
        rig->inner[i] = ends[0];
        rig->far[i] = (struct relay_far){.rig = rig, .stream = ends[1], .salt = i == 0 ? 3 : 252};
        stream_own(ends[1], relay_far_ready, &rig->far[i]);
    }
}

static void relay_rig_start(struct relay_rig *rig)
{
    relay_start(&rig->relay, &rig->worker, rig->inner[0], rig->inner[1], relay_rig_done);
    for (unsigned i = 0; i < 2; i++) {
        relay_far_ready(&rig->far[i], 0);
    }
}

/* One turn; the bound on what is kept holds after each. */
static void relay_rig_turn(struct relay_rig *rig)
{
    (void)uv_run(&rig->worker.loop, UV_RUN_NOWAIT);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert(rig->relay.way[i].kept.len <= RELAY_CHUNK);
    }
}

static void relay_rig_end(struct relay_rig *rig)
{
    relay_clear(&rig->relay);
    for (unsigned i = 0; i < 2; i++) {
        stream_close(&rig->inner[i], false);
        stream_close(&rig->far[i].stream, false);
    }
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
}

static void relay_one_run(uint32_t seed)
{
    struct relay_rig rig;
    struct memory_stream_plan plan = {
        .room = 1000 + seed * 7919 % 200000, .chunk = 1 + seed * 104729 % 150000, .seed = seed};

    relay_rig_open(&rig, &plan);
    rig.far[0].to_send = seed % 5 == 0 ? 0 : seed * 65537 % 400000;
    rig.far[1].to_send = seed % 7 == 0 ? 0 : seed * 92821 % 400000;
    rig.far[0].end_after_peer = seed % 3 == 1;
    rig.far[1].end_after_peer = seed % 3 == 2;
    if (plan.chunk < 2000) {
        rig.far[0].to_send %= 20000;
        rig.far[1].to_send %= 20000;
    }
    relay_rig_start(&rig);
    for (unsigned turns = 0; rig.done == 0 || !rig.far[0].peer_ended || !rig.far[1].peer_ended;
         turns++) {
        cr_assert_lt(turns, 1000000, "seed %u: no end", seed);
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1);
    cr_assert_eq(rig.status, STATUS_OK, "seed %u: %s", seed, rig.reason);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(rig.far[i].received, rig.far[1 - i].to_send, "seed %u", seed);
        cr_assert_eq(rig.relay.way[i].bytes, rig.far[i].to_send);
        cr_assert_eq(rig.relay.way[i].kept.len, 0);
    }
    relay_rig_end(&rig);
}

Test(relay, every_byte_once_in_order_and_ends_are_passed_on)
{
    for (uint32_t seed = 1; seed <= 150; seed++) {
        relay_one_run(seed);
    }
}

Test(relay, an_idle_one_holds_nothing_and_wakes_nobody)
{
    struct memory_stream_plan plan = {.room = 300000, .chunk = 300000};
    struct relay_rig rig;

    relay_rig_open(&rig, &plan);
    relay_start(&rig.relay, &rig.worker, rig.inner[0], rig.inner[1], relay_rig_done);
    relay_rig_turn(&rig);
    cr_assert(memory_stream_quiet(rig.inner[0]) && memory_stream_quiet(rig.inner[1]));
    cr_assert(relay_held(&rig.relay) == 0);
    relay_rig_end(&rig);
}

Test(relay, a_half_that_has_ended_stays_open_the_other_way)
{
    struct memory_stream_plan plan = {.room = 5000, .chunk = 5000};
    struct relay_rig rig;

    relay_rig_open(&rig, &plan);
    rig.far[0].to_send = 10;
    rig.far[1].end_after_peer = true;
    rig.far[1].to_send = 30000;
    relay_rig_start(&rig);
    for (int i = 0; i < 1000; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[0].received, 30000);
    cr_assert_eq(rig.done, 1);
    relay_rig_end(&rig);
}

static void relay_reset_run(unsigned side, bool while_kept, bool after_end)
{
    struct memory_stream_plan plan = {.room = 4000, .chunk = 4000};
    struct relay_rig rig;

    relay_rig_open(&rig, &plan);
    rig.far[side].to_send = while_kept ? 300000 : 100;
    if (while_kept) {
        memory_stream_stall(rig.inner[1 - side], true);
    }
    relay_start(&rig.relay, &rig.worker, rig.inner[0], rig.inner[1], relay_rig_done);
    rig.far[side].end_after_peer = !after_end;
    relay_far_ready(&rig.far[side], 0);
    for (int i = 0; i < 200; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.relay.way[side].kept.len > 0, while_kept);
    stream_close(&rig.far[side].stream, true);
    for (int i = 0; i < 20; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1, "side %u kept %d ended %d", side, while_kept, after_end);
    cr_assert_eq(rig.status, STATUS_IO);
    cr_assert_str_eq(rig.reason, "tcp/reset");
    cr_assert_eq(rig.relay.broken_on_b, side == 1);
    relay_rig_end(&rig);
}

Test(relay, a_reset_of_either_side_ends_it_whatever_is_on_its_way)
{
    for (unsigned side = 0; side < 2; side++) {
        relay_reset_run(side, false, false);
        relay_reset_run(side, false, true);
        relay_reset_run(side, true, false);
    }
}

Test(relay, what_a_stream_was_given_back_is_all_delivered_though_no_event_tells_of_it)
{
    struct memory_stream_plan plan = {.room = 300000, .chunk = 300000};
    static uint8_t given[RELAY_CHUNK + 5000];
    struct relay_rig rig;

    relay_rig_open(&rig, &plan);
    for (size_t i = 0; i < sizeof given; i++) {
        given[i] = relay_pattern(3, i);
    }
    stream_unread(rig.inner[0], bytes_make(given, sizeof given));
    rig.far[1].end_after_peer = true;
    relay_start(&rig.relay, &rig.worker, rig.inner[0], rig.inner[1], relay_rig_done);
    stream_interest(rig.far[1].stream, STREAM_READABLE);
    for (int i = 0; i < 20; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[1].received, sizeof given);
    relay_rig_end(&rig);
}
