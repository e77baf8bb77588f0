/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/current.h"

void current_init(struct current *current)
{
    current->set = NULL;
    current->generation = 0;
    list_init(&current->subscribers);
}

void current_clear(struct current *current)
{
    LIST_EACH(&current->subscribers, link)
    {
        list_remove(link);
    }
    identity_set_drop(&current->set);
}

struct identity_set *current_get(const struct current *current)
{
    return current->set;
}

void current_publish(struct current *current, struct identity_set *set)
{
    struct identity_set *old = current->set;

    current->set = identity_set_ref(set);
    current->generation++;
    LIST_EACH(&current->subscribers, link)
    {
        struct current_subscriber *subscriber = LIST_OF(link, struct current_subscriber, link);

        subscriber->changed(subscriber->user, set, current->generation);
    }
    identity_set_drop(&old); /* after: a subscriber may compare with what it holds */
}

void current_subscribe(struct current *current, struct current_subscriber *subscriber)
{
    list_add(&current->subscribers, &subscriber->link);
}

void current_unsubscribe(struct current_subscriber *subscriber)
{
    list_remove(&subscriber->link);
}
