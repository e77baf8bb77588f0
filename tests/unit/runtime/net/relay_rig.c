/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/net/relay_rig.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/list.h"
#include "core/runtime/net/address.h"
#include "core/runtime/net/tcp.h"

enum { RELAY_RIG_STALL_TURNS = 20000, RELAY_RIG_FIRM = 20, RELAY_RIG_PIECE = 8192 };

/* A way may hold this much: its records, and what sealing adds to each. */
static const size_t relay_rig_most = RELAY_CHUNK + SLABS_MOST * 64;

static uint8_t relay_rig_pattern(uint8_t salt, size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16) + salt);
}

static void relay_rig_far_receive(struct relay_far *far)
{
    uint8_t *room = worker_scratch(&far->rig->worker, 1);
    size_t got = 0;
    enum status status;

    while ((status = stream_read(far->stream, room, WORKER_SCRATCH_SIZE, &got, NULL)) ==
           STATUS_OK) {
        for (size_t i = 0; i < got; i++) {
            uint8_t salt = (uint8_t)(255 - far->salt);

            cr_assert_eq(room[i], relay_rig_pattern(salt, far->received + i));
        }
        far->received += got;
    }
    far->peer_ended = far->peer_ended || status == STATUS_CLOSED;
    far->broken = far->broken || (status != STATUS_WAIT && status != STATUS_CLOSED);
}

static void relay_rig_far_send(struct relay_far *far)
{
    uint8_t block[20000];
    size_t sent = 0;

    while (far->sent < far->to_send) {
        size_t len =
            far->to_send - far->sent < sizeof block ? far->to_send - far->sent : sizeof block;

        for (size_t i = 0; i < len; i++) {
            block[i] = relay_rig_pattern(far->salt, far->sent + i);
        }
        if (stream_write(far->stream, bytes_make(block, len), &sent, NULL) != STATUS_OK) {
            return;
        }
        far->sent += sent;
    }
}

void relay_rig_far_ready(void *user, unsigned events)
{
    struct relay_far *far = user;
    unsigned wanted = 0;

    (void)events;
    if (!far->peer_ended && !far->stopped) {
        relay_rig_far_receive(far);
    }
    if (!far->ended && !far->broken) {
        relay_rig_far_send(far);
    }
    if (!far->ended && !far->never_ends && far->sent == far->to_send &&
        (!far->end_after_peer || far->peer_ended)) {
        far->ended = stream_shutdown(far->stream, NULL) == STATUS_OK;
    }
    wanted |= far->peer_ended || far->stopped ? 0u : STREAM_READABLE;
    wanted |= far->ended || (far->sent == far->to_send && (far->never_ends || far->end_after_peer))
                  ? 0u
                  : STREAM_WRITABLE;
    stream_interest(far->stream, far->broken ? 0 : wanted);
}

static void relay_rig_done(struct relay *relay, enum status status, const struct failure *why)
{
    struct relay_rig *rig = LIST_OF(relay, struct relay_rig, relay);

    rig->done++;
    rig->status = status;
    (void)snprintf(rig->reason, sizeof rig->reason, "%s", why->reason == NULL ? "" : why->reason);
    relay_clear(relay);
}

static void relay_rig_ticked(uv_timer_t *timer)
{
    (void)timer;
}

void relay_rig_open(struct relay_rig *rig, const struct relay_rig_kind *kind, uint32_t seed)
{
    *rig = (struct relay_rig){.kind = kind};
    worker_init_main(&rig->worker);
    (void)uv_timer_init(&rig->worker.loop, &rig->tick);
    (void)uv_timer_start(&rig->tick, relay_rig_ticked, 1, 1);
    uv_unref((uv_handle_t *)&rig->tick);
    for (unsigned side = 0; side < 2; side++) {
        rig->far[side] = (struct relay_far){.rig = rig, .fd = -1, .salt = side == 0 ? 3 : 252};
        kind->make(rig, side, seed);
        stream_own(rig->far[side].stream, relay_rig_far_ready, &rig->far[side]);
    }
}

void relay_rig_start(struct relay_rig *rig)
{
    relay_start(&rig->relay, &rig->worker, rig->inner[0], rig->inner[1], relay_rig_done);
    for (unsigned side = 0; side < 2; side++) {
        relay_rig_far_ready(&rig->far[side], 0);
    }
}

/* The bound on what is kept holds after each turn. */
void relay_rig_turn(struct relay_rig *rig)
{
    (void)uv_run(&rig->worker.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 2 && rig->done == 0; i++) {
        const struct relay_way *way = &rig->relay.way[i];

        cr_assert_leq(way->kept.len + way->to->owes, relay_rig_most);
        cr_assert(way->kept.len == 0 || way->to->owes == 0, "kept in one place, not in two");
    }
}

void relay_rig_turns(struct relay_rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        relay_rig_turn(rig);
    }
}

void relay_rig_stall(struct relay_rig *rig, unsigned side)
{
    struct relay_far *sender = &rig->far[1 - side];
    int kept_turns = 0;

    rig->far[side].stopped = true;
    stream_interest(rig->far[side].stream, 0);
    for (int i = 0; i < RELAY_RIG_STALL_TURNS && kept_turns < RELAY_RIG_FIRM; i++) {
        kept_turns = relay_held(&rig->relay) > 0 ? kept_turns + 1 : 0;
        sender->to_send += kept_turns == 0 && sender->to_send == sender->sent ? RELAY_RIG_PIECE : 0;
        relay_rig_far_ready(sender, 0);
        relay_rig_turn(rig);
    }
    cr_assert_eq(kept_turns, RELAY_RIG_FIRM, "%s: it does not stall", rig->kind->name);
}

void relay_rig_reset(struct relay_rig *rig, unsigned side)
{
    stream_close(&rig->far[side].stream, true);
}

void relay_rig_end(struct relay_rig *rig)
{
    relay_clear(&rig->relay);
    for (unsigned side = 0; side < 2; side++) {
        stream_close(&rig->inner[side], false);
        stream_close(&rig->far[side].stream, false);
    }
    uv_close((uv_handle_t *)&rig->tick, NULL);
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
    if (rig->kind->clear != NULL) {
        rig->kind->clear(rig);
    }
    cr_assert_eq(memory_ledger_held(), 0, "all that was reckoned was given back");
}

/* ---- real sockets ---- */

static void relay_rig_make_small(int fd, uint32_t seed)
{
    int small = (int)(4096 + seed * 7919 % 60000);

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
}

void relay_rig_sockets(struct relay_rig *rig, uint32_t seed, int out_fds[2],
                       struct stream *out_ends[2])
{
    struct ip ip = ip_of_v4((const uint8_t[]){127, 0, 0, 1});
    struct address at = address_of_ip(&ip, 0);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(bind(listening, &at.at.any, at.len) == 0 && listen(listening, 1) == 0);
    at = address_local(listening);
    out_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    relay_rig_make_small(listening, seed); /* before the first window is told */
    relay_rig_make_small(out_fds[0], seed);
    cr_assert_eq(connect(out_fds[0], &at.at.any, at.len), 0);
    out_fds[1] = accept(listening, NULL, NULL);
    cr_assert_geq(out_fds[1], 0);
    (void)close(listening);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(fcntl(out_fds[i], F_SETFL, O_NONBLOCK), 0);
        out_ends[i] = tcp_start(&rig->worker, out_fds[i]);
        relay_rig_make_small(out_fds[i], seed); /* the stream has its own idea of that */
    }
}

static void relay_rig_tcp_make(struct relay_rig *rig, unsigned side, uint32_t seed)
{
    struct stream *ends[2];
    int fds[2];

    relay_rig_sockets(rig, seed, fds, ends);
    rig->inner[side] = ends[0];
    rig->far[side].stream = ends[1];
    rig->far[side].fd = fds[1];
}

const struct relay_rig_kind relay_rig_tcp = {
    .name = "TCP", .make = relay_rig_tcp_make, .seeds = 20};
