/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/slabs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/loop/worker.h"
#include "tests/support/suite.h"

SUITE(slabs, .timeout = 20);

enum { SLABS_TEST_BUDGET = 1024 * 1024 };

static uint64_t slabs_test_now_ms;

static uint64_t slabs_test_clock(void)
{
    return slabs_test_now_ms;
}

static const struct clock_source slabs_test_clocks = {.mono_ms = slabs_test_clock};

struct slabs_test_rig {
    struct worker worker;
    struct slabs *slabs;
};

static void slabs_test_open(struct slabs_test_rig *rig)
{
    worker_init_main(&rig->worker);
    rig->slabs = &rig->worker.slabs;
}

static void slabs_test_close(struct slabs_test_rig *rig)
{
    worker_stop(&rig->worker);
    worker_run_main(&rig->worker);
    worker_clear(&rig->worker);
    cr_assert_eq(memory_ledger_held(), 0, "all was given back");
}

/* Somebody who stands in a list, and how often he was called. */
struct slabs_test_holder {
    struct slab_holder holder;
    int ended, resumed, saved;
    struct slab_chain chain;
    struct slabs *slabs;
    bool again; /* waits anew each time */
};

static void slabs_test_called(struct slab_holder *holder, enum slab_call call)
{
    struct slabs_test_holder *own = LIST_OF(holder, struct slabs_test_holder, holder);

    own->ended += call == SLAB_END;
    own->resumed += call == SLAB_RESUME;
    own->saved += call == SLAB_SAVE;
    if (call == SLAB_END) {
        slab_chain_clear(&own->chain, own->slabs);
    } else if (own->again) {
        slabs_wait(own->slabs, holder);
    }
}

static void slabs_test_holds(struct slabs_test_holder *one, struct slabs *slabs, size_t len)
{
    uint8_t *bytes = malloc(len);

    memset(bytes, 'h', len);
    *one = (struct slabs_test_holder){.holder.called = slabs_test_called, .slabs = slabs};
    cr_assert(slab_chain_add(&one->chain, slabs, bytes_make(bytes, len)));
    slabs_stall(slabs, &one->holder);
    free(bytes);
}

Test(slabs, bytes_come_out_in_order_in_any_pieces)
{
    struct slabs_test_rig rig;
    struct slab_chain chain = {0};
    uint8_t block[40000];
    size_t in = 0;
    size_t out = 0;
    uint32_t drawn = 7;

    slabs_test_open(&rig);
    for (int i = 0; i < 3000; i++) {
        size_t len;

        drawn = drawn * 1664525u + 1013904223u;
        len = drawn % sizeof block;
        if (drawn >> 31 == 0 && chain.len < 300000) {
            for (size_t k = 0; k < len; k++) {
                block[k] = (uint8_t)((in + k) * 131 >> 3);
            }
            cr_assert(slab_chain_add(&chain, rig.slabs, bytes_make(block, len)));
            in += len;
        } else if (chain.len > 0) {
            struct bytes head = slab_chain_head(&chain);

            len = 1 + len % head.len;
            for (size_t k = 0; k < len; k++) {
                cr_assert_eq(head.at[k], (uint8_t)((out + k) * 131 >> 3));
            }
            slab_chain_use(&chain, rig.slabs, len);
            out += len;
        }
        cr_assert_eq(chain.len, in - out);
    }
    slab_chain_clear(&chain, rig.slabs);
    slabs_test_close(&rig);
}

Test(slabs, what_is_lent_is_in_the_ledger_and_a_record_sealed_fits_into_a_slab)
{
    struct slabs_test_rig rig;
    struct slab_chain chain = {0};
    static uint8_t sealed[SLABS_MOST * (SLABS_RECORD + 22)];

    slabs_test_open(&rig);
    cr_assert(slab_chain_add(&chain, rig.slabs, bytes_make(sealed, sizeof sealed)));
    memory_account_fold(&rig.slabs->account);
    cr_assert_eq(memory_ledger_held(), SLABS_MOST * sizeof(struct slab));
    slab_chain_clear(&chain, rig.slabs);
    slabs_test_close(&rig);
}

Test(slabs, above_half_of_the_budget_one_record_is_lent_and_over_it_none_to_who_holds_some)
{
    struct slabs_test_rig rig;
    struct memory_account rest = {0};
    static const struct {
        long add;
        unsigned holds_nothing, holds_some;
    } rows[] = {
        {SLABS_TEST_BUDGET / 2, SLABS_MOST, SLABS_MOST},
        {SLABS_TEST_BUDGET / 2, 1, 1},
        {1, 1, 0},
        {SLABS_TEST_BUDGET / 8, 0, 0},
    };

    slabs_test_open(&rig);
    memory_ledger_set_budget(SLABS_TEST_BUDGET);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memory_account_add(&rest, rows[i].add);
        memory_account_fold(&rest);
        cr_assert_eq(slabs_reserve(rig.slabs, false), rows[i].holds_nothing, "row %zu", i);
        cr_assert_eq(slabs_reserve(rig.slabs, true), rows[i].holds_some, "row %zu", i);
    }
    memory_account_add(&rest, -(long)memory_ledger_held());
    memory_account_fold(&rest);
    slabs_test_close(&rig);
}

Test(slabs, who_waits_is_called_when_memory_is_there_again_and_once)
{
    struct slabs_test_rig rig;
    struct memory_account rest = {0};
    struct slabs_test_holder one = {.holder.called = slabs_test_called};

    slabs_test_open(&rig);
    one.slabs = rig.slabs;
    one.again = true;
    memory_ledger_set_budget(SLABS_TEST_BUDGET);
    memory_account_add(&rest, 2 * SLABS_TEST_BUDGET);
    slabs_wait(rig.slabs, &one.holder);
    slabs_sweep(rig.slabs);
    cr_assert_eq(one.resumed, 0, "there is none yet");
    memory_account_add(&rest, -2 * SLABS_TEST_BUDGET);
    slabs_sweep(rig.slabs);
    cr_assert_eq(one.resumed, 1);
    one.again = false;
    for (int i = 0; i < 300 && one.resumed == 1; i++) { /* the timer does the same */
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE);
    }
    cr_assert_eq(one.resumed, 2);
    slabs_sweep(rig.slabs);
    cr_assert_eq(one.resumed, 2);
    slabs_test_close(&rig);
}

/* Two workers' pools, five who stall in turns; the process is over its budget by two of them. */
Test(slabs, over_the_budget_for_long_the_longest_stalled_of_all_workers_ends_until_it_is_not)
{
    struct slabs_test_rig rigs[2];
    struct slabs_test_holder held[5];
    int ended = 0;

    clock_replace(&slabs_test_clocks);
    slabs_test_now_ms = 1000;
    slabs_test_open(&rigs[0]);
    slabs_test_open(&rigs[1]);
    rigs[1].slabs->index = 1;
    memory_ledger_set_budget(SLABS_TEST_BUDGET);
    for (int i = 0; i < 5; i++) {
        slabs_test_now_ms += 1000;
        slabs_test_holds(&held[i], rigs[i % 2].slabs, SLABS_TEST_BUDGET / 4);
        slabs_sweep(rigs[i % 2].slabs);
    }
    cr_assert(memory_ledger_over());
    slabs_stall(rigs[0].slabs, &held[0].holder); /* it moved on: now it stalls from here */
    slabs_sweep(rigs[0].slabs);
    slabs_test_now_ms += SLABS_PATIENCE_MS - 1000;
    slabs_sweep(rigs[0].slabs);
    slabs_sweep(rigs[1].slabs);
    for (int i = 0; i < 5; i++) {
        ended += held[i].ended;
    }
    cr_assert_eq(ended, 0, "nobody before the time");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(held[i].saved, 1, "asked once to save what the system holds");
    }
    slabs_test_now_ms += 2000;
    slabs_sweep(rigs[0].slabs);
    cr_assert(held[2].ended == 0 && held[4].ended == 0, "another worker's has stalled longer");
    slabs_sweep(rigs[1].slabs);
    cr_assert_eq(held[1].ended, 1, "the longest stalled");
    slabs_sweep(rigs[0].slabs);
    cr_assert(held[0].ended == 0 && held[3].ended == 0, "who moved on, and who came later");
    cr_assert(!memory_ledger_over());
    for (int i = 0; i < 5; i++) {
        slabs_leave(&held[i].holder);
        slab_chain_clear(&held[i].chain, held[i].slabs);
    }
    clock_replace(NULL);
    worker_stop(&rigs[1].worker);
    worker_run_main(&rigs[1].worker);
    worker_clear(&rigs[1].worker);
    slabs_test_close(&rigs[0]);
}

static struct slabs_test_holder slabs_test_other;

/* One direction is called, and its connection ends: the other direction, which stalled, goes with it. */
static void slabs_test_ends_the_other(struct slab_holder *holder, enum slab_call call)
{
    (void)holder;
    (void)call;
    slabs_leave(&slabs_test_other.holder);
    slab_chain_clear(&slabs_test_other.chain, slabs_test_other.slabs);
}

Test(slabs, a_worker_with_nobody_left_who_stalls_holds_no_other_worker_up)
{
    struct slabs_test_rig rigs[2];
    struct slab_holder waits = {.called = slabs_test_ends_the_other};
    struct slabs_test_holder later;

    clock_replace(&slabs_test_clocks);
    slabs_test_now_ms = 1000;
    slabs_test_open(&rigs[0]);
    slabs_test_open(&rigs[1]);
    rigs[1].slabs->index = 1;
    memory_ledger_set_budget(SLABS_TEST_BUDGET);
    slabs_test_holds(&slabs_test_other, rigs[0].slabs, SLABS_TEST_BUDGET / 4);
    slabs_wait(rigs[0].slabs, &waits);
    slabs_sweep(rigs[0].slabs);
    cr_assert_not(rigs[0].slabs->sweeping, "it has nothing to look at any more");
    slabs_test_now_ms += 1000;
    slabs_test_holds(&later, rigs[1].slabs, SLABS_TEST_BUDGET + SLABS_TEST_BUDGET / 16);
    slabs_sweep(rigs[1].slabs);
    slabs_test_now_ms += SLABS_PATIENCE_MS + 1000;
    slabs_sweep(rigs[1].slabs);
    cr_assert_eq(later.ended, 1, "it waits for one that is gone");
    clock_replace(NULL);
    worker_stop(&rigs[1].worker);
    worker_run_main(&rigs[1].worker);
    worker_clear(&rigs[1].worker);
    slabs_test_close(&rigs[0]);
}

#ifndef __SANITIZE_ADDRESS__ /* which ends the process where malloc() would say no */
Test(slabs, no_memory_is_an_answer)
{
    struct slabs_test_rig rig;
    struct slab_chain chain = {0};
    static uint8_t much[1 << 22];
    struct rlimit none = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
    struct rlimit was;
    bool kept = true;

    slabs_test_open(&rig);
    cr_assert_eq(getrlimit(RLIMIT_AS, &was), 0);
    none.rlim_max = was.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    for (int i = 0; i < 1000 && kept; i++) {
        kept = slab_chain_add(&chain, rig.slabs, bytes_make(much, sizeof much));
    }
    cr_assert_eq(setrlimit(RLIMIT_AS, &was), 0);
    cr_assert(!kept);
    cr_assert_eq(chain.len % sizeof much, 0, "nothing of what was refused is kept");
    slab_chain_clear(&chain, rig.slabs);
    slabs_test_close(&rig);
}
#endif

static int slabs_test_looked;

static void slabs_test_look(struct round *round)
{
    (void)round;
    slabs_test_looked++;
}

Test(slabs, rounds_look_once_at_each_who_asked_and_at_nobody_who_left)
{
    struct slabs_test_rig rig;
    struct round stays = {.look = slabs_test_look};
    struct round leaves = {.look = slabs_test_look};

    slabs_test_open(&rig);
    rig.worker.rounds.period_ms = 1;
    rounds_join(&rig.worker.rounds, &stays);
    rounds_join(&rig.worker.rounds, &stays);
    rounds_join(&rig.worker.rounds, &leaves);
    rounds_leave(&leaves);
    while (rig.worker.rounds.running) {
        (void)uv_run(&rig.worker.loop, UV_RUN_ONCE);
    }
    cr_assert_eq(slabs_test_looked, 1);
    slabs_test_close(&rig);
}
