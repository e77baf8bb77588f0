/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/rotation/current.h"

#include "tests/support/suite.h"
#include "tests/support/test_ca.h"

SUITE(current);

struct listener {
    struct current_subscriber subscriber;
    unsigned told;
    uint64_t generation;
    struct identity_set *set;
};

static void listener_changed(void *user, struct identity_set *set, uint64_t generation)
{
    struct listener *listener = user;

    listener->told++;
    listener->generation = generation;
    listener->set = set;
}

Test(current, tells_each_subscriber_of_each_set_until_he_leaves)
{
    struct current current;
    struct listener one = {.subscriber = {.changed = listener_changed, .user = &one}};
    struct listener two = {.subscriber = {.changed = listener_changed, .user = &two}};
    OWNED(test_ca) *root = test_ca_root("example.org");
    OWNED(identity_set) *first = test_ca_identity_set(root, "spiffe://example.org/ns/a/sa/b", 1);
    OWNED(identity_set) *second = test_ca_identity_set(root, "spiffe://example.org/ns/a/sa/b", 2);

    current_init(&current);
    cr_assert_null(current_get(&current));
    current_subscribe(&current, &one.subscriber);
    current_subscribe(&current, &two.subscriber);
    current_publish(&current, first);
    cr_assert_eq(current_get(&current), first);
    cr_assert_eq(one.set, first);
    cr_assert_eq(two.generation, 1);
    current_unsubscribe(&one.subscriber);
    current_publish(&current, second);
    cr_assert_eq(one.told, 1);
    cr_assert_eq(two.told, 2);
    cr_assert_eq(two.generation, 2);
    cr_assert_eq(two.set, second);
    current_clear(&current);
    cr_assert_null(current_get(&current));
    cr_assert(!list_has(&two.subscriber.link));
}
