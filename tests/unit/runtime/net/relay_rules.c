/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/net/relay_rules.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

#include "core/runtime/base/clock.h"

enum { RELAY_RULES_TURNS = 1000000, RELAY_RULES_SOON = 3000, RELAY_RULES_BUDGET = 1024 * 1024 };

static void relay_rules_one_run(const struct relay_rig_kind *kind, uint32_t seed)
{
    struct relay_rig rig;

    relay_rig_open(&rig, kind, seed);
    rig.far[0].to_send = seed % 5 == 0 ? 0 : seed * 65537 % 400000;
    rig.far[1].to_send = seed % 7 == 0 ? 0 : seed * 92821 % 400000;
    rig.far[0].end_after_peer = seed % 3 == 1;
    rig.far[1].end_after_peer = seed % 3 == 2;
    relay_rig_start(&rig);
    for (unsigned turns = 0; rig.done == 0 || !rig.far[0].peer_ended || !rig.far[1].peer_ended;
         turns++) {
        cr_assert_lt(turns, RELAY_RULES_TURNS, "%s, seed %u: no end", kind->name, seed);
        cr_assert(rig.done == 0 || rig.status == STATUS_OK, "%s, seed %u: %s", kind->name, seed,
                  rig.reason);
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.done, 1);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(rig.far[i].received, rig.far[1 - i].to_send, "%s, seed %u", kind->name, seed);
        cr_assert_eq(rig.relay.way[i].bytes, rig.far[i].to_send);
    }
    cr_assert_eq(relay_held(&rig.relay), 0);
    relay_rig_end(&rig);
}

void relay_rules_every_byte_once_in_order(const struct relay_rig_kind *kind)
{
    for (uint32_t seed = 1; seed <= kind->seeds; seed++) {
        relay_rules_one_run(kind, seed);
    }
}

void relay_rules_a_half_that_ended_stays_open(const struct relay_rig_kind *kind)
{
    struct relay_rig rig;

    relay_rig_open(&rig, kind, 0);
    rig.far[0].to_send = 10;
    rig.far[1].end_after_peer = true;
    rig.far[1].to_send = 30000;
    relay_rig_start(&rig);
    for (int i = 0; i < RELAY_RULES_SOON && !rig.far[0].peer_ended; i++) {
        relay_rig_turn(&rig);
    }
    cr_assert_eq(rig.far[0].received, 30000, "%s", kind->name);
    cr_assert_eq(rig.done, 1);
    relay_rig_end(&rig);
}

/* ---- resets ---- */

static void relay_rules_expect_reset(struct relay_rig *rig, unsigned side, const char *when)
{
    for (int i = 0; i < RELAY_RULES_SOON && rig->done == 0; i++) {
        relay_rig_turn(rig);
    }
    cr_assert_eq(rig->done, 1, "%s, side %u, %s: the reset is not passed on", rig->kind->name, side,
                 when);
    cr_assert_eq(rig->status, STATUS_IO, "%s, side %u, %s: %s", rig->kind->name, side, when,
                 rig->reason);
    cr_assert_str_eq(rig->reason, "tcp/reset");
    cr_assert_eq(rig->relay.broken_on_b, side == 1);
}

enum relay_rules_moment { RELAY_RULES_IDLE, RELAY_RULES_KEPT, RELAY_RULES_AFTER_END };

static void relay_rules_reset_run(const struct relay_rig_kind *kind, unsigned side,
                                  enum relay_rules_moment moment)
{
    static const char *const words[] = {"idle", "bytes are kept", "after its end"};
    struct relay_rig rig;

    relay_rig_open(&rig, kind, 0);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    rig.far[side].to_send = 100;
    relay_rig_start(&rig);
    for (int i = 0; i < RELAY_RULES_SOON && rig.far[1 - side].received < 100; i++) {
        relay_rig_turn(&rig);
    }
    if (moment == RELAY_RULES_KEPT) {
        relay_rig_stall(&rig, 1 - side);
    } else if (moment == RELAY_RULES_AFTER_END) {
        rig.far[side].never_ends = false;
        relay_rig_far_ready(&rig.far[side], 0);
        for (int i = 0; i < RELAY_RULES_SOON && !rig.far[1 - side].peer_ended; i++) {
            relay_rig_turn(&rig);
        }
        cr_assert(rig.far[1 - side].peer_ended);
    }
    relay_rig_turns(&rig, 5);
    cr_assert_eq(rig.done, 0, "%s, side %u, %s: %s", kind->name, side, words[moment], rig.reason);
    relay_rig_reset(&rig, side);
    relay_rules_expect_reset(&rig, side, words[moment]);
    relay_rig_end(&rig);
}

void relay_rules_a_reset_is_passed_on(const struct relay_rig_kind *kind)
{
    for (unsigned side = 0; side < 2; side++) {
        relay_rules_reset_run(kind, side, RELAY_RULES_IDLE);
        relay_rules_reset_run(kind, side, RELAY_RULES_KEPT);
        relay_rules_reset_run(kind, side, RELAY_RULES_AFTER_END);
    }
}

void relay_rules_an_urgent_byte_hides_no_reset(const struct relay_rig_kind *kind)
{
    for (unsigned side = 0; side < 2; side++) {
        struct relay_rig rig;
        int room = 1 << 20; /* the urgent byte finds some behind what waits */

        relay_rig_open(&rig, kind, 0);
        cr_assert_eq(setsockopt(rig.far[side].fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
        rig.far[0].never_ends = rig.far[1].never_ends = true;
        relay_rig_start(&rig);
        relay_rig_stall(&rig, 1 - side);
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(send(rig.far[side].fd, "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
            relay_rig_turns(&rig, 5);
        }
        cr_assert_eq(rig.done, 0);
        relay_rig_reset(&rig, side);
        relay_rules_expect_reset(&rig, side, "behind an urgent byte");
        relay_rig_end(&rig);
    }
}

/* ---- memory ---- */

/* The ledger as if others held `bytes`. */
static void relay_rules_others_hold(struct memory_account *others, long bytes)
{
    memory_account_add(others, bytes);
    memory_account_fold(others);
}

static size_t relay_rules_cost(const struct relay_rig_kind *kind, unsigned side, long others_hold)
{
    struct memory_account others = {0};
    struct relay_rig rig;
    size_t most = 0;

    memory_ledger_set_budget(RELAY_RULES_BUDGET);
    relay_rules_others_hold(&others, others_hold);
    relay_rig_open(&rig, kind, 0);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    relay_rig_start(&rig);
    relay_rig_stall(&rig, side);
    rig.far[1 - side].to_send += (size_t)64 << 20;
    relay_rig_far_ready(&rig.far[1 - side], 0);
    for (int i = 0; i < 300; i++) {
        relay_rig_turn(&rig);
        most = relay_held(&rig.relay) > most ? relay_held(&rig.relay) : most;
    }
    cr_assert_eq(rig.done, 0, "%s", rig.reason);
    relay_rules_others_hold(&others, -others_hold);
    memory_ledger_set_budget(0);
    relay_rig_end(&rig);
    return most;
}

void relay_rules_a_stopped_reader_costs_64_KiB(const struct relay_rig_kind *kind)
{
    for (unsigned side = 0; side < 2; side++) {
        cr_assert_leq(relay_rules_cost(kind, side, 0), 64 * 1024);
    }
}

void relay_rules_above_half_of_the_budget_it_costs_one(const struct relay_rig_kind *kind)
{
    for (unsigned side = 0; side < 2; side++) {
        cr_assert_leq(relay_rules_cost(kind, side, RELAY_RULES_BUDGET / 2 + 1), SLABS_ROOM);
    }
}

void relay_rules_without_memory_it_waits_and_goes_on(const struct relay_rig_kind *kind)
{
    struct memory_account others = {0};
    struct relay_rig rig;

    memory_ledger_set_budget(RELAY_RULES_BUDGET);
    relay_rig_open(&rig, kind, 0);
    relay_rules_others_hold(&others, 2 * RELAY_RULES_BUDGET);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    rig.far[0].to_send = rig.far[1].to_send = 100000;
    relay_rig_start(&rig);
    relay_rig_turns(&rig, 150);
    cr_assert(rig.far[0].received == 0 && rig.far[1].received == 0, "nobody lends for it");
    relay_rules_others_hold(&others, -2 * RELAY_RULES_BUDGET);
    for (int i = 0; i < RELAY_RULES_SOON; i++) {
        slabs_sweep(&rig.worker.slabs); /* as its timer does */
        relay_rig_turn(&rig);
        if (rig.far[0].received == 100000 && rig.far[1].received == 100000) {
            break;
        }
    }
    cr_assert(rig.far[0].received == 100000 && rig.far[1].received == 100000);
    memory_ledger_set_budget(0);
    relay_rig_end(&rig);
}

void relay_rules_a_reset_ends_who_waits_for_memory(const struct relay_rig_kind *kind)
{
    for (unsigned side = 0; side < 2; side++) {
        struct memory_account others = {0};
        struct relay_rig rig;

        memory_ledger_set_budget(RELAY_RULES_BUDGET);
        relay_rig_open(&rig, kind, 0);
        relay_rules_others_hold(&others, 2 * RELAY_RULES_BUDGET);
        rig.far[0].never_ends = rig.far[1].never_ends = true;
        rig.far[side].to_send = 100;
        relay_rig_start(&rig);
        relay_rig_turns(&rig, 50);
        cr_assert_eq(rig.far[1 - side].received, 0, "nobody lends for it");
        cr_assert_not(list_is_empty(&rig.worker.slabs.waiting));
        relay_rig_reset(&rig, side);
        relay_rules_expect_reset(&rig, side, "it waits for memory");
        relay_rules_others_hold(&others, -2 * RELAY_RULES_BUDGET);
        memory_ledger_set_budget(0);
        relay_rig_end(&rig);
    }
}

void relay_rules_an_end_is_heard_without_memory(const struct relay_rig_kind *kind)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned side = i & 1;
        size_t unread = i < 2 ? 0 : 100000;
        struct memory_account others = {0};
        struct relay_rig rig;

        memory_ledger_set_budget(RELAY_RULES_BUDGET);
        relay_rig_open(&rig, kind, 0);
        relay_rules_others_hold(&others, 2 * RELAY_RULES_BUDGET);
        rig.far[0].never_ends = rig.far[1].never_ends = true;
        rig.far[side].to_send = unread;
        relay_rig_start(&rig);
        relay_rig_turns(&rig, 50);
        cr_assert_not(list_is_empty(&rig.worker.slabs.waiting));
        rig.far[side].never_ends = false;
        relay_rig_far_ready(&rig.far[side], 0);
        relay_rig_turns(&rig, 50);
        cr_assert_eq(rig.far[1 - side].received, 0, "%s: bytes wait for memory", kind->name);
        cr_assert_eq(rig.far[1 - side].peer_ended, unread == 0, "%s, side %u, %zu bytes unread",
                     kind->name, side, unread);
        relay_rules_others_hold(&others, -2 * RELAY_RULES_BUDGET);
        for (int j = 0; j < RELAY_RULES_SOON && !rig.far[1 - side].peer_ended; j++) {
            slabs_sweep(&rig.worker.slabs);
            relay_rig_turn(&rig);
        }
        cr_assert_eq(rig.far[1 - side].received, unread);
        cr_assert(rig.far[1 - side].peer_ended && rig.done == 0);
        memory_ledger_set_budget(0);
        relay_rig_end(&rig);
    }
}

static uint64_t relay_rules_now_ms;

static uint64_t relay_rules_clock(void)
{
    return relay_rules_now_ms;
}

void relay_rules_the_longest_stalled_ends(const struct relay_rig_kind *kind)
{
    static const struct clock_source clocks = {.mono_ms = relay_rules_clock};
    struct memory_account others = {0};
    struct relay_rig rig;

    relay_rules_now_ms = 1000;
    memory_ledger_set_budget(RELAY_RULES_BUDGET);
    relay_rig_open(&rig, kind, 0);
    clock_replace(&clocks);
    rig.far[0].never_ends = rig.far[1].never_ends = true;
    relay_rig_start(&rig);
    relay_rig_stall(&rig, 1);
    relay_rules_others_hold(&others, RELAY_RULES_BUDGET + 1);
    relay_rules_now_ms += SLABS_PATIENCE_MS - 1000;
    slabs_sweep(&rig.worker.slabs);
    cr_assert_eq(rig.done, 0, "not before its time");
    relay_rules_now_ms += 2000;
    slabs_sweep(&rig.worker.slabs);
    cr_assert_eq(rig.done, 1);
    cr_assert_eq(rig.status, STATUS_LIMIT);
    cr_assert_str_eq(rig.reason, "limit/memory");
    cr_assert(rig.relay.broken_on_b, "it is b who does not read");
    relay_rules_others_hold(&others, -RELAY_RULES_BUDGET - 1);
    memory_ledger_set_budget(0);
    clock_replace(NULL);
    relay_rig_end(&rig);
}
