/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand a new immutable value to every worker. Each worker keeps its own reference in a slot that only
 * its thread reads: nothing on the bytes' way takes a lock.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_PUBLISH_H
#define SIGNET_CORE_RUNTIME_LOOP_PUBLISH_H

#include "core/runtime/loop/worker.h"

/* How to count references of the published type. Both: any thread. */
struct publish_type {
    void *(*ref)(void *value);
    void (*drop)(void *value);
};

/* What a worker does with a new value, on its own thread: it takes over the reference to `value`. */
typedef void (*publish_apply_fn)(struct worker *worker, void *user, void *value);

/* Where values of one kind go. All borrowed for the call of publish(), but what its functions need. */
struct publication {
    struct worker *home; /* where all_have() runs; its thread publishes */
    struct worker *workers;
    unsigned num_workers;
    const struct publish_type *type;
    publish_apply_fn apply;
    void *user;                        /* apply's */
    void (*all_have)(void *done_user); /* every worker has the value now; may be NULL */
    void *done_user;
};

/*
 * publish gives each worker a reference to `value` by its mailbox, where apply(worker, user, value)
 * runs. The caller keeps its own reference. Call on home's thread.
 */
void publish(const struct publication *publication, void *value);

#endif
