/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay as a sidecar has it: TLS over TCP on one side, the application's TCP on the other. The rules
 * are those of the relay's own test; beside them what only TLS can do wrong at an end.
 */
#include "core/runtime/net/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/base/memory.h"
#include "core/trust/tls/slot.h"
#include "core/trust/tls/tls_stream.h"
#include "tests/support/suite.h"
#include "tests/support/test_ca.h"
#include "tests/unit/runtime/net/relay_rules.h"

SUITE(relay_tls, .timeout = 100);

enum { RELAY_TLS_NETWORK = 0, RELAY_TLS_APP = 1, RELAY_TLS_SOON = 3000 };

/* Both ends of the network side, until the handshake is through. */
struct relay_tls_user {
    struct test_ca *root;
    struct tls_slot slot;
    struct stream *ends[2]; /* borrowed: ours, the far end's */
    bool up[2];
};

static void relay_tls_shake(struct relay_tls_user *user, unsigned end)
{
    if (!user->up[end]) {
        enum status status = tls_stream_handshake(user->ends[end], NULL);

        cr_assert(status == STATUS_OK || status == STATUS_WAIT);
        user->up[end] = status == STATUS_OK;
    }
}

static void relay_tls_ours(void *user, unsigned events)
{
    (void)events;
    relay_tls_shake(user, 0);
}

static void relay_tls_theirs(void *user, unsigned events)
{
    (void)events;
    relay_tls_shake(user, 1);
}

static void relay_tls_identity(struct relay_tls_user *user)
{
    struct posture posture = posture_default();
    OWNED(identity_set) *set = NULL;

    user->root = test_ca_root("example.org");
    set = test_ca_identity_set(user->root, "spiffe://example.org/ns/shop/sa/pay", 1);
    cr_assert_eq(tls_context_make(set, &posture, &user->slot.current, NULL), STATUS_OK);
}

static void relay_tls_make(struct relay_rig *rig, unsigned side, uint32_t seed)
{
    struct relay_tls_user *user;
    struct stream *below[2];
    int fds[2];

    if (side == RELAY_TLS_APP) {
        relay_rig_tcp.make(rig, side, seed);
        return;
    }
    rig->user = user = memory_make(sizeof *user);
    relay_tls_identity(user);
    relay_rig_sockets(rig, seed, fds, below);
    rig->far[side].fd = fds[1];
    for (unsigned i = 0; i < 2; i++) {
        user->ends[i] =
            tls_stream_start(&rig->worker, &user->slot, i == 0 ? TLS_SERVER : TLS_CLIENT,
                             below[i], NULL);
        stream_own(user->ends[i], i == 0 ? relay_tls_ours : relay_tls_theirs, user);
    }
    relay_tls_shake(user, 1);
    relay_tls_shake(user, 0);
    for (int i = 0; i < RELAY_TLS_SOON && !(user->up[0] && user->up[1]); i++) {
        (void)uv_run(&rig->worker.loop, UV_RUN_ONCE);
    }
    cr_assert(user->up[0] && user->up[1]);
    rig->inner[side] = user->ends[0];
    rig->far[side].stream = user->ends[1];
}

static void relay_tls_clear(struct relay_rig *rig)
{
    struct relay_tls_user *user = rig->user;

    slot_clear(&user->slot);
    test_ca_drop(&user->root);
    free(user);
}

static const struct relay_rig_kind relay_tls = {
    .name = "TLS over TCP", .make = relay_tls_make, .clear = relay_tls_clear, .seeds = 25};

Test(relay_tls, every_byte_once_in_order_and_ends_are_passed_on)
{
    relay_rules_every_byte_once_in_order(&relay_tls);
}

Test(relay_tls, a_half_that_has_ended_stays_open_the_other_way)
{
    relay_rules_a_half_that_ended_stays_open(&relay_tls);
}

Test(relay_tls, a_reset_of_either_side_ends_it_whatever_is_on_its_way_also_after_close_notify)
{
    relay_rules_a_reset_is_passed_on(&relay_tls);
}

Test(relay_tls, an_urgent_byte_hides_no_reset)
{
    relay_rules_an_urgent_byte_hides_no_reset(&relay_tls);
}

Test(relay_tls, a_reader_who_stops_costs_64_KiB_at_most)
{
    relay_rules_a_stopped_reader_costs_64_KiB(&relay_tls);
}

Test(relay_tls, above_half_of_the_budget_a_stalled_direction_holds_one_record)
{
    relay_rules_above_half_of_the_budget_it_costs_one(&relay_tls);
}

Test(relay_tls, without_memory_it_waits_and_goes_on_when_there_is_some)
{
    relay_rules_without_memory_it_waits_and_goes_on(&relay_tls);
}

Test(relay_tls, over_the_budget_for_long_the_longest_stalled_one_ends)
{
    relay_rules_the_longest_stalled_ends(&relay_tls);
}

/* Half a record at a time fills the memory of many; who waits for its rest must not wait for memory. */
Test(relay_tls, the_rest_of_a_record_is_read_though_nothing_is_lent_any_more)
{
    enum { BUDGET = 1024 * 1024, RECORD = 16000 };
    struct memory_account others = {0};
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_tls, 0);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    rig.far[0].to_send = RECORD;
    relay_rig_start(&rig);
    for (int i = 0; i < RELAY_TLS_SOON && !rig.inner[RELAY_TLS_NETWORK]->part; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert(rig.inner[RELAY_TLS_NETWORK]->part, "the record came in pieces");
    memory_ledger_set_budget(BUDGET);
    memory_account_add(&others, 2 * BUDGET);
    cr_assert_eq(memory_ledger_level(), MEMORY_FULL);
    for (int i = 0; i < RELAY_TLS_SOON && rig.far[1].received < RECORD; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[1].received, RECORD, "it waits for memory that only it could give back");
    cr_assert_not(rig.inner[RELAY_TLS_NETWORK]->part);
    memory_account_add(&others, -2 * BUDGET);
    memory_ledger_set_budget(0);
    relay_rig_end(&rig);
}

static uint64_t relay_tls_now_ms = 1000;

static uint64_t relay_tls_clock(void)
{
    return relay_tls_now_ms;
}

/* One that leaves a part of a record and is silent holds memory as one does who does not read. */
Test(relay_tls, over_the_budget_for_long_who_leaves_half_a_record_ends_too)
{
    static const struct clock_source clocks = {.mono_ms = relay_tls_clock};
    enum { BUDGET = 1024 * 1024 };
    struct memory_account others = {0};
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_tls, 0);
    clock_replace(&clocks);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    relay_rig_start(&rig);
    cr_assert_eq(send(rig.far[0].fd, "\x17\x03\x03\x40\x00half", 9, MSG_NOSIGNAL), 9);
    for (int i = 0; i < RELAY_TLS_SOON && !rig.inner[RELAY_TLS_NETWORK]->part; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert(rig.inner[RELAY_TLS_NETWORK]->part);
    memory_ledger_set_budget(BUDGET);
    memory_account_add(&others, 2 * BUDGET);
    relay_tls_now_ms += SLABS_PATIENCE_MS - 1000;
    slabs_sweep(&rig.worker.slabs);
    cr_assert_eq(rig.done, 0, "not before its time");
    relay_tls_now_ms += 2000;
    slabs_sweep(&rig.worker.slabs);
    cr_assert_eq(rig.done, 1, "it holds its memory for ever");
    cr_assert_eq(rig.status, STATUS_LIMIT);
    cr_assert_str_eq(rig.reason, "limit/memory");
    cr_assert_not(rig.relay.broken_on_b, "it is the one who sends");
    memory_account_add(&others, -2 * BUDGET);
    memory_ledger_set_budget(0);
    clock_replace(NULL);
    relay_rig_end(&rig);
}

Test(relay_tls, a_part_that_has_come_whole_is_stalled_no_more)
{
    enum { RECORD = 16000 };
    struct relay_rig rig;

    relay_rig_open(&rig, &relay_tls, 0);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    rig.far[0].to_send = RECORD;
    relay_rig_start(&rig);
    for (int i = 0; i < RELAY_TLS_SOON && !rig.inner[RELAY_TLS_NETWORK]->part; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert(rig.inner[RELAY_TLS_NETWORK]->part, "the record came in pieces");
    cr_assert_not(list_is_empty(&rig.worker.slabs.stalled));
    for (int i = 0; i < RELAY_TLS_SOON && rig.far[1].received < RECORD; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[1].received, RECORD);
    cr_assert(list_is_empty(&rig.worker.slabs.stalled));
    relay_rig_end(&rig);
}

Test(relay_tls, a_reset_ends_one_that_waits_for_memory)
{
    relay_rules_a_reset_ends_who_waits_for_memory(&relay_tls);
}

Test(relay_tls, an_end_with_nothing_before_it_is_heard_without_memory)
{
    relay_rules_an_end_is_heard_without_memory(&relay_tls);
}

/* ---- a FIN without close_notify ---- */

/* Both ends up, 100 bytes each way, and then quiet for `quiet_ms` as far as the relay can tell. */
static void relay_tls_talk(struct relay_rig *rig, uint64_t quiet_ms)
{
    relay_rig_open(rig, &relay_tls, 0);
    rig->far[0].never_ends = rig->far[1].never_ends = true;
    rig->far[0].to_send = rig->far[1].to_send = 100;
    relay_rig_start(rig);
    for (int i = 0; i < RELAY_TLS_SOON && rig->far[0].received + rig->far[1].received < 200; i++) {
        relay_rig_turn(rig);
    }
    cr_assert_eq(rig->far[0].received + rig->far[1].received, 200);
    rig->relay.moved_ms -= quiet_ms;
}

/* Waits until the application's far end has seen an end or an error, or the relay is over. */
static void relay_tls_wait(struct relay_rig *rig)
{
    for (int i = 0; i < RELAY_TLS_SOON && rig->done == 0 && !rig->far[1].peer_ended; i++) {
        relay_rig_turn(rig);
    }
}

Test(relay_tls, a_fin_without_close_notify_is_an_end_in_order_when_all_is_quiet)
{
    struct relay_rig rig;

    relay_tls_talk(&rig, RELAY_QUIET_MS);
    cr_assert_eq(shutdown(rig.far[0].fd, SHUT_WR), 0);
    relay_tls_wait(&rig);
    cr_assert_eq(rig.done, 0, "it goes on the other way: %s", rig.reason);
    cr_assert(rig.far[1].peer_ended && !rig.far[1].broken, "the application sees an end, no reset");
    rig.far[1].to_send += 5000; /* it may still answer */
    relay_rig_far_ready(&rig.far[1], 0);
    for (int i = 0; i < RELAY_TLS_SOON && rig.far[0].received < 5100; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[0].received, 5100);
    rig.far[1].never_ends = false;
    relay_rig_far_ready(&rig.far[1], 0);
    for (int i = 0; i < RELAY_TLS_SOON && rig.done == 0; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1);
    cr_assert_eq(rig.status, STATUS_OK, "%s", rig.reason);
    relay_rig_end(&rig);
}

Test(relay_tls, a_reset_behind_such_a_fin_is_passed_on)
{
    struct relay_rig rig;

    relay_tls_talk(&rig, RELAY_QUIET_MS);
    cr_assert_eq(shutdown(rig.far[0].fd, SHUT_WR), 0);
    relay_tls_wait(&rig);
    cr_assert_eq(rig.done, 0);
    relay_rig_reset(&rig, RELAY_TLS_NETWORK);
    for (int i = 0; i < RELAY_TLS_SOON && rig.done == 0; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1);
    cr_assert_str_eq(rig.reason, "tcp/reset");
    relay_rig_end(&rig);
}

Test(relay_tls, a_reset_behind_such_a_fin_is_passed_on_while_sealed_bytes_wait)
{
    struct relay_rig rig;

    relay_tls_talk(&rig, RELAY_QUIET_MS);
    cr_assert_eq(shutdown(rig.far[0].fd, SHUT_WR), 0);
    relay_tls_wait(&rig);
    cr_assert_eq(rig.done, 0);
    relay_rig_stall(&rig, RELAY_TLS_NETWORK);
    cr_assert_gt(rig.inner[RELAY_TLS_NETWORK]->owes, 0);
    relay_rig_reset(&rig, RELAY_TLS_NETWORK);
    for (int i = 0; i < RELAY_TLS_SOON && rig.done == 0; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1, "the connection never ends");
    cr_assert_str_eq(rig.reason, "tcp/reset");
    relay_rig_end(&rig);
}

static void relay_tls_expect_truncation(struct relay_rig *rig)
{
    cr_assert_eq(shutdown(rig->far[0].fd, SHUT_WR), 0);
    relay_tls_wait(rig);
    cr_assert_eq(rig->done, 1);
    cr_assert_eq(rig->status, STATUS_PROTOCOL);
    cr_assert_str_eq(rig->reason, "tls/truncated");
    relay_rig_end(rig);
}

Test(relay_tls, right_behind_bytes_it_is_a_truncation)
{
    struct relay_rig rig;

    relay_tls_talk(&rig, 0);
    rig.relay.moved_ms += 100000; /* bytes just moved, however slow this machine is */
    relay_tls_expect_truncation(&rig);
}

Test(relay_tls, within_a_record_it_is_a_truncation_however_quiet)
{
    struct relay_rig rig;

    relay_tls_talk(&rig, RELAY_QUIET_MS);
    cr_assert_eq(send(rig.far[0].fd, "\x17\x03\x03\x01", 4, MSG_NOSIGNAL), 4);
    relay_tls_expect_truncation(&rig);
}

Test(relay_tls, while_bytes_are_kept_it_is_a_truncation)
{
    struct relay_rig rig;

    relay_tls_talk(&rig, 0);
    relay_rig_stall(&rig, RELAY_TLS_NETWORK);
    rig.far[1].to_send += (size_t)64 << 20; /* so that it never catches up */
    relay_rig_far_ready(&rig.far[1], 0);
    relay_rig_turns(&rig, 100);
    rig.relay.moved_ms -= RELAY_QUIET_MS;
    cr_assert_eq(shutdown(rig.far[0].fd, SHUT_RDWR), 0);
    for (int i = 0; i < RELAY_TLS_SOON && rig.done == 0; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1);
    cr_assert_neq(rig.status, STATUS_OK);
    relay_rig_end(&rig);
}
