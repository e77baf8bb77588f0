/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process holds because of its peers, in bytes, against a budget: slabs of bytes that
 * somebody does not read, and a measured sum for each connection and each handshake.
 *
 * Each worker counts in an account of its own, without a lock, and folds it into the process's sum when
 * that has moved by MEMORY_FOLD bytes: so the sum is off by at most that much for each worker.
 *
 *   above half of the budget   a direction that stalls holds one record (loop/slabs.h)
 *   over the budget            listeners leave new connections in the accept queue
 *                              (memory_ledger_over), connections that hold something are not read
 *   over it for 30 s           the longest stalled one ends, "limit/memory"
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_MEMORY_LEDGER_H
#define SIGNET_CORE_RUNTIME_LOOP_MEMORY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_FOLD ((long)128 * 1024)

/* When the system names no limit. */
#define MEMORY_BUDGET_DEFAULT ((size_t)256 * 1024 * 1024)

enum memory_level {
    MEMORY_PLENTY, /* at most half of the budget is held */
    MEMORY_TIGHT,  /* more than half of it */
    MEMORY_OVER,   /* more than the budget */
    MEMORY_FULL,   /* more than the budget and an eighth: nothing is lent any more */
};

/* One thread's count. A zeroed one is empty. */
struct memory_account {
    long unfolded; /* bytes that the sum does not know of yet; may be negative */
};

/* memory_account_add counts `bytes` more (or fewer, when negative). The account's own thread. */
void memory_account_add(struct memory_account *account, long bytes);

/* memory_account_fold makes the sum exact for this account. The account's own thread. */
void memory_account_fold(struct memory_account *account);

/* memory_ledger_set_budget sets the bound in bytes; 0, as at the start: none. Before threads start. */
void memory_ledger_set_budget(size_t bytes);

/*
 * memory_ledger_default_budget is half of the memory limit of our cgroup (version 2 memory.max, version
 * 1 memory.limit_in_bytes, the least of our own and its parents'), else MEMORY_BUDGET_DEFAULT.
 */
size_t memory_ledger_default_budget(void);

/* memory_ledger_budget, memory_ledger_held: bytes. Any thread. */
size_t memory_ledger_budget(void);
size_t memory_ledger_held(void);

/* memory_ledger_level is where the sum stands now. One relaxed read; any thread. */
enum memory_level memory_ledger_level(void);

/* memory_ledger_over: accept nobody now; look again in a tenth of a second. Any thread. */
bool memory_ledger_over(void);

/* memory_ledger_over_ms is for how long the sum has been over the budget without a break; 0: it is not. */
uint64_t memory_ledger_over_ms(void);

/*
 * memory_ledger_freed is how many bytes fewer are held than at the most since the last call that
 * answered `at_least` or more; an answer below that is 0. For giving freed memory back to the system.
 */
size_t memory_ledger_freed(size_t at_least);

#endif
