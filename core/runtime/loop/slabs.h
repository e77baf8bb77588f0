/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's pool of slabs: the only place where bytes wait that somebody does not take at once. A slab
 * holds one sealed TLS record; it is not zeroed, and what is lent is reckoned in the process's ledger.
 *
 * Whoever reads reserves first (slabs_reserve): then what he reads can be kept, if it must, for
 * certain. When nothing is lent, he waits in the pool's list and is called again (slabs_wait). Whoever
 * keeps bytes, or a part of a record, stands in the list of the stalled (slabs_stall), the longest
 * stalled first; while the process has been over its budget for SLABS_PATIENCE_MS that one is told to end.
 *
 * One thread: the worker's. No call is made back from inside a call.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_SLABS_H
#define SIGNET_CORE_RUNTIME_LOOP_SLABS_H

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/list.h"
#include "core/runtime/loop/memory_ledger.h"
#include "core/runtime/loop/timer.h"

/* A record's plaintext, and what a slab can hold: the same record sealed, and a little more. */
#define SLABS_RECORD ((size_t)16 * 1024)
#define SLABS_ROOM (SLABS_RECORD + 496)

/* The most that one direction of one connection keeps. */
#define SLABS_MOST 4u

/* How long over the budget, and how long stalled, before somebody must end. */
#define SLABS_PATIENCE_MS 30000u

struct slab {
    struct slab *next;
    uint32_t used; /* bytes taken from the front */
    uint32_t len;  /* bytes put in; used <= len <= SLABS_ROOM */
    uint8_t at[SLABS_ROOM];
};

/* Bytes that wait, first in first out. A zeroed one is empty. */
struct slab_chain {
    struct slab *first; /* owned */
    struct slab *last;
    size_t len; /* bytes that wait */
};

/* Why a holder is called. */
enum slab_call {
    SLAB_RESUME, /* memory may be had again */
    SLAB_SAVE,   /* memory is scarce: what the system holds for it should be little, too */
    SLAB_END,    /* it has stalled longest, and must go */
};

/* One direction that waits for memory, or that is stalled; never both. Embedded in its owner. */
struct slab_holder {
    struct list_link link;
    uint64_t since_ms; /* monotonic; when it stalled, or last moved a record on */
    void (*called)(struct slab_holder *holder, enum slab_call why);
    bool saves; /* was told SLAB_SAVE */
};

struct slabs {
    struct memory_account account; /* of this worker; others may count theirs in it */
    unsigned index;                /* the worker's */
    unsigned num_free;
    struct slab *free;   /* owned; a few that are not lent now */
    struct list stalled; /* struct slab_holder, the longest stalled first */
    struct list waiting; /* struct slab_holder, those who wait for memory */
    struct timer sweep;  /* runs while one of the lists has somebody */
    bool sweeping;
    bool closed;
};

/* slabs_open makes an empty pool on `loop`; slabs_close ends its timer, slabs_clear frees its slabs. */
void slabs_open(struct slabs *slabs, uv_loop_t *loop, unsigned index);
void slabs_close(struct slabs *slabs);
void slabs_clear(struct slabs *slabs);

/*
 * slabs_reserve is how many records may be read now, 1 to SLABS_MOST, for one direction: that many slabs
 * are there until the end of this callback. 0: none now, see slabs_wait(). `holds`: the connection
 * keeps something already. Over the budget those who hold nothing may still read one record.
 */
unsigned slabs_reserve(struct slabs *slabs, bool holds);

/*
 * slabs_wait has `holder` called when memory may be had again (SLAB_RESUME), once; slabs_stall puts it
 * among the stalled, or to their end when it moved on: it is called above half of the budget (SLAB_SAVE),
 * once, and when it must go (SLAB_END). slabs_leave takes it out of either list; fine in none.
 */
void slabs_wait(struct slabs *slabs, struct slab_holder *holder);
void slabs_stall(struct slabs *slabs, struct slab_holder *holder);
void slabs_leave(struct slab_holder *holder);

/*
 * slab_chain_add keeps a copy of `bytes` behind the others. False: there is no memory (not after a
 * reservation), and nothing of them was kept.
 */
bool slab_chain_add(struct slab_chain *chain, struct slabs *slabs, struct bytes bytes) MUST_USE;

/* slab_chain_head is the first piece of what waits; empty when nothing does. */
struct bytes slab_chain_head(const struct slab_chain *chain);

/* slab_chain_use takes `len` bytes of that piece away; slab_chain_clear all of them. */
void slab_chain_use(struct slab_chain *chain, struct slabs *slabs, size_t len);
void slab_chain_clear(struct slab_chain *chain, struct slabs *slabs);

/* slabs_sweep is what its timer does, for tests: calls the waiting, ends the longest stalled. */
void slabs_sweep(struct slabs *slabs);

#endif
