/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread, one libuv loop, its mailbox, its scratch memory, its slabs. A connection lives on one
 * worker for life. The main loop is a worker too, whose thread is the program's first one.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_WORKER_H
#define SIGNET_CORE_RUNTIME_LOOP_WORKER_H

#include <stdint.h>
#include <uv.h>

#include "core/runtime/loop/mailbox.h"
#include "core/runtime/loop/rounds.h"
#include "core/runtime/loop/slabs.h"

/* Bytes in flight on this thread only within one callback: nothing may stay here between two. */
#define WORKER_SCRATCH_SIZE ((size_t)128 * 1024)

struct worker {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct slabs slabs;       /* what is kept for peers who do not read */
    struct rounds rounds;     /* what is looked at every few seconds */
    unsigned index;           /* 0 is the main loop, 1..n the workers: also the metrics' shard */
    uint8_t *scratch[3];      /* each WORKER_SCRATCH_SIZE bytes, owned; made at first use */
    pthread_t thread;         /* of workers 1..n */
    void (*begin)(struct worker *worker, void *user); /* on the worker's thread, before its loop runs */
    void *user;
};

/* worker_init_main makes the calling thread's worker, index 0. Run it with worker_run_main(). */
void worker_init_main(struct worker *worker);

/* worker_run_main runs the loop until worker_stop(), then closes the mailbox and drains the loop. */
void worker_run_main(struct worker *worker);

/*
 * worker_start starts thread `index` (1..n) with its own loop; begin(worker, user) runs there first
 * (it may be NULL). Aborts when the system gives no thread.
 */
void worker_start(struct worker *worker, unsigned index,
                  void (*begin)(struct worker *worker, void *user), void *user);

/*
 * worker_stop makes the worker's loop end once all other handles are closed: it closes the mailbox
 * and the loop then runs dry. On its own thread only (post a mail to get there).
 */
void worker_stop(struct worker *worker);

/* worker_join waits for a worker's thread to end and frees what it held. Main thread. */
void worker_join(struct worker *worker);

/* worker_clear frees the main worker's memory after worker_run_main() has returned. */
void worker_clear(struct worker *worker);

/* worker_scratch is scratch area `which` (0..2) of WORKER_SCRATCH_SIZE bytes. The worker's thread only. */
uint8_t *worker_scratch(struct worker *worker, unsigned which);

/* worker_now_ms is the loop's cached monotonic time in ms. The worker's thread only. */
uint64_t worker_now_ms(struct worker *worker);

/* worker_of is the worker whose loop this is. */
struct worker *worker_of(uv_loop_t *loop);

/*
 * worker_count_default is how many workers this process should have: the cgroup's CPU quota rounded
 * up (cgroup v2 cpu.max, v1 cpu.cfs_quota_us, our own group and its parents), never more than the
 * CPUs we may run on, at least 1. Where there is no quota, at most WORKER_UNLIMITED_MAX: a sidecar on a
 * machine of a hundred cores must not hold a hundred threads.
 */
#define WORKER_UNLIMITED_MAX 4u
unsigned worker_count_default(void);

/* worker_count_of is that for a quota in CPUs (0: none) and so many CPUs (at least 1). Pure. */
unsigned worker_count_of(unsigned quota, unsigned cpus);

#endif
