/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/slabs.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime/base/clock.h"

enum {
    SLABS_FREE_MOST = 16, /* kept at hand while somebody stalls, none when nobody does any more */
    SLABS_SWEEP_MS = 100,
    SLABS_END_AT_ONCE = 64, /* in one sweep; then other events come first */
    SLABS_CALL_AT_ONCE = 256,
    SLABS_WORKERS = 65,
};

/* When each worker's longest stalled one stalled, monotonic ms; 0: none. So that the process's goes first. */
static atomic_uint_fast64_t slabs_oldest[SLABS_WORKERS];

static struct slab_holder *slabs_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : LIST_OF(list->head.next, struct slab_holder, link);
}

static void slabs_swept(struct timer *timer, void *user)
{
    (void)timer;
    slabs_sweep(user);
}

void slabs_open(struct slabs *slabs, uv_loop_t *loop, unsigned index)
{
    *slabs = (struct slabs){.index = index < SLABS_WORKERS ? index : 0};
    list_init(&slabs->stalled);
    list_init(&slabs->waiting);
    timer_init(&slabs->sweep, loop, slabs_swept, slabs);
}

void slabs_close(struct slabs *slabs)
{
    if (!slabs->closed) {
        slabs->closed = true;
        timer_close(&slabs->sweep, NULL);
    }
}

static void slabs_keep_free(struct slabs *slabs, unsigned most)
{
    while (slabs->num_free > most) {
        struct slab *gone = slabs->free;

        slabs->free = gone->next;
        slabs->num_free--;
        free(gone);
    }
}

void slabs_clear(struct slabs *slabs)
{
    slabs_keep_free(slabs, 0);
    memory_account_fold(&slabs->account);
    atomic_store_explicit(&slabs_oldest[slabs->index], 0, memory_order_relaxed);
}

/* ---- lending ---- */

/* Makes sure of `count` slabs at hand, as far as the system gives them. */
static unsigned slabs_prepare(struct slabs *slabs, unsigned count)
{
    while (slabs->num_free < count) {
        struct slab *made = malloc(sizeof *made);

        if (made == NULL) {
            return slabs->num_free;
        }
        made->next = slabs->free;
        slabs->free = made;
        slabs->num_free++;
    }
    return count;
}

unsigned slabs_reserve(struct slabs *slabs, bool holds)
{
    switch (memory_ledger_level()) {
    case MEMORY_PLENTY:
        return slabs_prepare(slabs, SLABS_MOST);
    case MEMORY_TIGHT:
        return slabs_prepare(slabs, 1);
    case MEMORY_OVER:
        return holds ? 0 : slabs_prepare(slabs, 1);
    default:
        return 0;
    }
}

static struct slab *slabs_take(struct slabs *slabs)
{
    struct slab *taken;

    if (slabs_prepare(slabs, 1) == 0) {
        return NULL;
    }
    taken = slabs->free;
    slabs->free = taken->next;
    slabs->num_free--;
    taken->next = NULL;
    taken->used = 0;
    taken->len = 0;
    memory_account_add(&slabs->account, (long)sizeof *taken);
    return taken;
}

static void slabs_give_back(struct slabs *slabs, struct slab *slab)
{
    memory_account_add(&slabs->account, -(long)sizeof *slab);
    if (slabs->num_free >= SLABS_FREE_MOST) {
        free(slab);
        return;
    }
    slab->next = slabs->free;
    slabs->free = slab;
    slabs->num_free++;
}

/* ---- chains ---- */

bool slab_chain_add(struct slab_chain *chain, struct slabs *slabs, struct bytes bytes)
{
    size_t room = chain->last == NULL ? 0 : SLABS_ROOM - chain->last->len;
    size_t missing = bytes.len <= room ? 0 : (bytes.len - room + SLABS_ROOM - 1) / SLABS_ROOM;

    if (slabs_prepare(slabs, (unsigned)missing) < missing) {
        return false;
    }
    while (bytes.len > 0) {
        struct slab *last = chain->last;
        size_t part;

        if (last == NULL || last->len == SLABS_ROOM) {
            struct slab *next = slabs_take(slabs);

            if (last == NULL) {
                chain->first = next;
            } else {
                last->next = next;
            }
            chain->last = next;
            continue;
        }
        part = SLABS_ROOM - last->len < bytes.len ? SLABS_ROOM - last->len : bytes.len;
        memcpy(last->at + last->len, bytes.at, part);
        last->len += (uint32_t)part;
        chain->len += part;
        bytes = bytes_make(bytes.at + part, bytes.len - part);
    }
    return true;
}

struct bytes slab_chain_head(const struct slab_chain *chain)
{
    const struct slab *first = chain->first;

    return first == NULL ? bytes_make(NULL, 0)
                         : bytes_make(first->at + first->used, first->len - first->used);
}

void slab_chain_use(struct slab_chain *chain, struct slabs *slabs, size_t len)
{
    struct slab *first = chain->first;

    assert(first != NULL && len <= first->len - first->used);
    first->used += (uint32_t)len;
    chain->len -= len;
    if (first->used == first->len) {
        chain->first = first->next;
        chain->last = chain->first == NULL ? NULL : chain->last;
        slabs_give_back(slabs, first);
    }
}

void slab_chain_clear(struct slab_chain *chain, struct slabs *slabs)
{
    while (chain->first != NULL) {
        struct slab *gone = chain->first;

        chain->first = gone->next;
        slabs_give_back(slabs, gone);
    }
    *chain = (struct slab_chain){0};
}

/* ---- who waits, who stalls ---- */

static void slabs_watch(struct slabs *slabs)
{
    if (!slabs->sweeping && !slabs->closed) {
        slabs->sweeping = true;
        timer_start(&slabs->sweep, SLABS_SWEEP_MS, SLABS_SWEEP_MS);
    }
}

void slabs_wait(struct slabs *slabs, struct slab_holder *holder)
{
    if (!list_has(&holder->link)) {
        list_add(&slabs->waiting, &holder->link);
        slabs_watch(slabs);
    }
}

void slabs_stall(struct slabs *slabs, struct slab_holder *holder)
{
    list_remove(&holder->link);
    holder->since_ms = clock_mono_ms();
    list_add(&slabs->stalled, &holder->link);
    slabs_watch(slabs);
}

void slabs_leave(struct slab_holder *holder)
{
    list_remove(&holder->link);
}

/* Those who wait now, once each: who must wait on joins anew, behind them. */
static void slabs_call_waiting(struct slabs *slabs)
{
    unsigned count = 0;

    if (memory_ledger_level() == MEMORY_FULL) {
        return;
    }
    LIST_EACH(&slabs->waiting, link) {
        if (++count == SLABS_CALL_AT_ONCE) {
            break;
        }
    }
    for (; count > 0 && !list_is_empty(&slabs->waiting); count--) {
        struct slab_holder *holder = slabs_first(&slabs->waiting);

        list_remove(&holder->link);
        holder->called(holder, SLAB_RESUME);
    }
}

static void slabs_save(struct slabs *slabs)
{
    unsigned count = 0;

    if (memory_ledger_level() == MEMORY_PLENTY) {
        return;
    }
    LIST_EACH(&slabs->stalled, link) {
        struct slab_holder *holder = LIST_OF(link, struct slab_holder, link);

        if (!holder->saves && ++count <= SLABS_CALL_AT_ONCE) {
            holder->saves = true;
            holder->called(holder, SLAB_SAVE);
        }
    }
}

/* Is this worker's longest stalled one the process's? */
static bool slabs_is_oldest(const struct slabs *slabs, uint64_t since_ms)
{
    for (unsigned i = 0; i < SLABS_WORKERS; i++) {
        uint64_t other = atomic_load_explicit(&slabs_oldest[i], memory_order_relaxed);

        if (i != slabs->index && other != 0 && other < since_ms) {
            return false;
        }
    }
    return true;
}

static void slabs_end_stalled(struct slabs *slabs)
{
    for (int ended = 0;; ended++) {
        struct slab_holder *oldest = slabs_first(&slabs->stalled);
        uint64_t since_ms = oldest == NULL ? 0 : oldest->since_ms;

        memory_account_fold(&slabs->account);
        atomic_store_explicit(&slabs_oldest[slabs->index], since_ms, memory_order_relaxed);
        if (oldest == NULL || ended == SLABS_END_AT_ONCE || !memory_ledger_over() ||
            memory_ledger_over_ms() < SLABS_PATIENCE_MS ||
            clock_mono_ms() - since_ms < SLABS_PATIENCE_MS || !slabs_is_oldest(slabs, since_ms)) {
            return;
        }
        list_remove(&oldest->link);
        oldest->called(oldest, SLAB_END);
    }
}

void slabs_sweep(struct slabs *slabs)
{
    slabs_end_stalled(slabs);
    slabs_save(slabs);
    slabs_call_waiting(slabs);
    if (list_is_empty(&slabs->stalled) && list_is_empty(&slabs->waiting)) {
        /* Who was called may have ended one that stalled; the next look is only when somebody joins. */
        atomic_store_explicit(&slabs_oldest[slabs->index], 0, memory_order_relaxed);
        slabs_keep_free(slabs, 0);
        slabs->sweeping = false;
        if (!slabs->closed) {
            timer_stop(&slabs->sweep);
        }
    }
}
