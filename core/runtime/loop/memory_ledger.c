/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/memory_ledger.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/loop/cgroup.h"

/* One line of the cache, written at each fold; the budget, which never changes, stands apart. */
static struct {
    _Alignas(64) atomic_long held;
    atomic_long most;               /* since freed memory was given back */
    atomic_uint_fast64_t over_since; /* monotonic ms; 0: not over */
} memory_sum;
static _Alignas(64) atomic_size_t memory_budget;

void memory_ledger_set_budget(size_t bytes)
{
    atomic_store(&memory_budget, bytes);
}

size_t memory_ledger_budget(void)
{
    return atomic_load_explicit(&memory_budget, memory_order_relaxed);
}

size_t memory_ledger_held(void)
{
    long held = atomic_load_explicit(&memory_sum.held, memory_order_relaxed);

    return held < 0 ? 0 : (size_t)held;
}

static enum memory_level memory_level_of(size_t held)
{
    size_t budget = memory_ledger_budget();

    if (budget == 0 || held <= budget / 2) {
        return MEMORY_PLENTY;
    }
    if (held <= budget) {
        return MEMORY_TIGHT;
    }
    return held <= budget + budget / 8 ? MEMORY_OVER : MEMORY_FULL;
}

enum memory_level memory_ledger_level(void)
{
    return memory_level_of(memory_ledger_held());
}

bool memory_ledger_over(void)
{
    return memory_ledger_level() >= MEMORY_OVER;
}

/*
 * Whoever crosses the budget writes down when, and looks again: another may have crossed it back
 * meanwhile. Who wrote last has looked at the sum after it, or whoever changed the sum after that look
 * looks later still; all in one order, so the last word agrees with the sum.
 */
static void memory_note_crossing(void)
{
    for (;;) {
        long held = atomic_load(&memory_sum.held);
        bool over = memory_level_of(held < 0 ? 0 : (size_t)held) >= MEMORY_OVER;

        if (over == (atomic_load(&memory_sum.over_since) != 0)) {
            return;
        }
        atomic_store(&memory_sum.over_since, over ? clock_mono_ms() | 1u : 0);
    }
}

static void memory_note_level(long held)
{
    long most = atomic_load_explicit(&memory_sum.most, memory_order_relaxed);

    memory_note_crossing();
    while (held > most && !atomic_compare_exchange_weak_explicit(
                              &memory_sum.most, &most, held, memory_order_relaxed,
                              memory_order_relaxed)) {
    }
}

void memory_account_fold(struct memory_account *account)
{
    long moved = account->unfolded;

    account->unfolded = 0;
    if (moved != 0) {
        memory_note_level(atomic_fetch_add(&memory_sum.held, moved) + moved);
    }
}

void memory_account_add(struct memory_account *account, long bytes)
{
    account->unfolded += bytes;
    if (account->unfolded >= MEMORY_FOLD || account->unfolded <= -MEMORY_FOLD) {
        memory_account_fold(account);
    }
}

uint64_t memory_ledger_over_ms(void)
{
    uint64_t since = atomic_load_explicit(&memory_sum.over_since, memory_order_relaxed);
    uint64_t now = clock_mono_ms();

    return since == 0 ? 0 : now > since ? now - since : 1;
}

size_t memory_ledger_freed(size_t at_least)
{
    long held = atomic_load_explicit(&memory_sum.held, memory_order_relaxed);
    long most = atomic_load_explicit(&memory_sum.most, memory_order_relaxed);

    if (most - held < (long)at_least) {
        return 0;
    }
    atomic_store_explicit(&memory_sum.most, held, memory_order_relaxed);
    return (size_t)(most - held);
}

/* ---- the system's limit ---- */

static void memory_limit_of(const char *folder, void *user)
{
    static const char *const names[] = {"memory.max", "memory.limit_in_bytes"};
    unsigned long long *least = user;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned long long limit = 0;
        char path[640];
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        file = fopen(path, "re");
        if (file == NULL) {
            continue;
        }
        /* "max" is no number; version 1 writes 2^63 less a page where there is no limit. */
        if (fscanf(file, "%llu", &limit) == 1 && limit > 0 && limit < 1ULL << 60 &&
            (*least == 0 || limit < *least)) {
            *least = limit;
        }
        (void)fclose(file);
    }
}

size_t memory_ledger_default_budget(void)
{
    unsigned long long least = 0;

    cgroup_each("memory", memory_limit_of, &least);
    return least == 0 ? MEMORY_BUDGET_DEFAULT : (size_t)(least / 2);
}
