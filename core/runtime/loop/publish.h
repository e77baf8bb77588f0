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

/*
 * publish gives each of the `num_workers` workers a reference to `value` by its mailbox, where
 * apply(worker, user, value) runs. When all have it, all_have(done_user) runs on `home`'s loop
 * (all_have may be NULL). The caller keeps its own reference. Call on home's thread.
 */
void publish(struct worker *home, struct worker *workers, unsigned num_workers,
             const struct publish_type *type, void *value, publish_apply_fn apply, void *user,
             void (*all_have)(void *done_user), void *done_user);

#endif
