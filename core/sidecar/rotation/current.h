/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity set in force, and who wants to know when it changes. Main loop only; workers get it by
 * publish() from a subscriber.
 */
#ifndef SIGNET_CORE_SIDECAR_ROTATION_CURRENT_H
#define SIGNET_CORE_SIDECAR_ROTATION_CURRENT_H

#include "core/runtime/base/list.h"
#include "core/trust/identity/identity_set.h"

struct current {
    struct identity_set *set; /* reference; NULL until the first one */
    uint64_t generation;      /* 0 before the first; grows by one with each */
    struct list subscribers;
};

struct current_subscriber {
    struct list_link link;
    /* The new set, borrowed for the call; take a reference to keep it. Runs within current_publish(). */
    void (*changed)(void *user, struct identity_set *set, uint64_t generation);
    void *user;
};

/* current_init makes an empty holder; it must not move. current_clear gives the set back and forgets subscribers. */
void current_init(struct current *current);
void current_clear(struct current *current);

/* current_get borrows the set in force, or gives NULL: there is none yet. */
struct identity_set *current_get(const struct current *current);

/* current_publish puts a new set in force (a reference is taken) and tells each subscriber in order of arrival. */
void current_publish(struct current *current, struct identity_set *set);

/* current_subscribe and current_unsubscribe; the subscriber is embedded in who wants to know. */
void current_subscribe(struct current *current, struct current_subscriber *subscriber);
void current_unsubscribe(struct current_subscriber *subscriber);

#endif
