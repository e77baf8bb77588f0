/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/memory_ledger.h"

#include "core/runtime/base/clock.h"
#include "tests/support/suite.h"

SUITE(memory_ledger, .timeout = 20);

enum { LEDGER_MIB = 1024 * 1024 };

static uint64_t ledger_now_ms = 1000;

static uint64_t ledger_clock(void)
{
    return ledger_now_ms;
}

static const struct clock_source ledger_clocks = {.mono_ms = ledger_clock};

Test(memory_ledger, accounts_fold_when_they_moved_enough_and_the_sum_is_exact_then)
{
    struct memory_account one = {0};
    struct memory_account other = {0};

    memory_account_add(&one, MEMORY_FOLD - 1);
    cr_assert_eq(memory_ledger_held(), 0, "a small move touches nothing that is shared");
    memory_account_add(&one, 1);
    cr_assert_eq(memory_ledger_held(), (size_t)MEMORY_FOLD);
    memory_account_add(&other, 77);
    memory_account_fold(&other);
    cr_assert_eq(memory_ledger_held(), (size_t)MEMORY_FOLD + 77);
    memory_account_add(&one, -MEMORY_FOLD);
    memory_account_add(&other, -77);
    memory_account_fold(&other);
    cr_assert_eq(memory_ledger_held(), 0);
}

Test(memory_ledger, levels_are_half_the_budget_the_budget_and_an_eighth_more)
{
    struct memory_account account = {0};
    static const struct {
        long add;
        enum memory_level level;
    } rows[] = {
        {32 * LEDGER_MIB, MEMORY_PLENTY},
        {LEDGER_MIB, MEMORY_TIGHT},
        {31 * LEDGER_MIB, MEMORY_TIGHT},
        {LEDGER_MIB, MEMORY_OVER},
        {7 * LEDGER_MIB, MEMORY_OVER},
        {LEDGER_MIB, MEMORY_FULL},
        {-10 * LEDGER_MIB, MEMORY_TIGHT},
        {-63 * LEDGER_MIB, MEMORY_PLENTY},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memory_ledger_set_budget(64 * LEDGER_MIB);
        memory_account_add(&account, rows[i].add);
        cr_assert_eq(memory_ledger_level(), rows[i].level, "row %zu", i);
        cr_assert_eq(memory_ledger_over(), rows[i].level >= MEMORY_OVER);
        memory_ledger_set_budget(0);
        cr_assert_eq(memory_ledger_level(), MEMORY_PLENTY, "no budget is no bound");
    }
}

Test(memory_ledger, it_knows_for_how_long_it_has_been_over_without_a_break)
{
    struct memory_account account = {0};

    clock_replace(&ledger_clocks);
    memory_ledger_set_budget(LEDGER_MIB);
    memory_account_add(&account, 2 * LEDGER_MIB);
    ledger_now_ms += 500;
    memory_account_add(&account, LEDGER_MIB);
    ledger_now_ms += 500;
    cr_assert(memory_ledger_over_ms() >= 999 && memory_ledger_over_ms() <= 1000);
    memory_account_add(&account, -3 * LEDGER_MIB);
    cr_assert_eq(memory_ledger_over_ms(), 0);
    memory_account_add(&account, 3 * LEDGER_MIB);
    ledger_now_ms += 10;
    cr_assert_leq(memory_ledger_over_ms(), 10);
    clock_replace(NULL);
}

/* The clock is asked within a fold: this one lets another worker's fold happen right there. */
static struct memory_account ledger_other;
static long ledger_other_moves;

static uint64_t ledger_clock_and_fold(void)
{
    long moves = ledger_other_moves;

    ledger_other_moves = 0;
    memory_account_add(&ledger_other, moves);
    return ledger_now_ms;
}

Test(memory_ledger, of_two_folds_at_once_the_note_says_what_the_sum_says)
{
    static const struct clock_source clocks = {.mono_ms = ledger_clock_and_fold};
    struct memory_account account = {0};

    clock_replace(&clocks);
    memory_ledger_set_budget(LEDGER_MIB);
    ledger_other_moves = -2 * LEDGER_MIB;
    memory_account_add(&account, 2 * LEDGER_MIB);
    cr_assert_not(memory_ledger_over());
    cr_assert_eq(memory_ledger_over_ms(), 0, "not over, and it says for %llu ms",
                 (unsigned long long)memory_ledger_over_ms());
    ledger_now_ms += 60000;
    memory_account_add(&account, 2 * LEDGER_MIB);
    ledger_now_ms += 10;
    cr_assert_leq(memory_ledger_over_ms(), 10, "the patience begins anew");
    clock_replace(NULL);
}

Test(memory_ledger, what_was_freed_since_the_last_answer_is_told_once)
{
    struct memory_account account = {0};

    memory_account_add(&account, 20 * LEDGER_MIB);
    cr_assert_eq(memory_ledger_freed(LEDGER_MIB), 0);
    memory_account_add(&account, -LEDGER_MIB / 2);
    cr_assert_eq(memory_ledger_freed(LEDGER_MIB), 0);
    memory_account_add(&account, -10 * LEDGER_MIB);
    cr_assert_eq(memory_ledger_freed(LEDGER_MIB), 10 * (size_t)LEDGER_MIB + LEDGER_MIB / 2);
    cr_assert_eq(memory_ledger_freed(LEDGER_MIB), 0);
}

Test(memory_ledger, the_default_budget_is_a_sensible_number)
{
    cr_assert_geq(memory_ledger_default_budget(), (size_t)LEDGER_MIB);
}
