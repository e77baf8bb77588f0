/* SPDX-License-Identifier: Apache-2.0 */
/* A registry of cluster.local in a folder of its own, for the tests of this folder and of serve. */
#ifndef SIGNET_TESTS_UNIT_CONTROL_REGISTRY_PLACE_H
#define SIGNET_TESTS_UNIT_CONTROL_REGISTRY_PLACE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/control/registry/entry.h"

struct place {
    char folder[64];
    char path[96];
    struct store *store;
    struct registry registry;
};

/* place_open opens the store of the folder (again). */
static inline void place_open(struct place *place)
{
    struct failure why = {0};

    cr_assert_eq(store_open(place->path, &place->store, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(registry_init(&place->registry, place->store, "cluster.local", &why), STATUS_OK);
}

static inline void place_make(struct place *place)
{
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/signet-registry-XXXXXX");
    cr_assert_not_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof place->path, "%s/signet.db", place->folder);
    place_open(place);
}

static inline void place_clear(struct place *place)
{
    static const char *const endings[] = {"", "-wal", "-shm"};

    store_drop(&place->store);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char path[112];

        (void)snprintf(path, sizeof path, "%s%s", place->path, endings[i]);
        (void)unlink(path);
    }
    (void)rmdir(place->folder);
}

/* place_add adds an entry spiffe://cluster.local/ns/shop/sa/NAME. */
static inline void place_add(struct place *place, const char *name, uint32_t max_instances)
{
    struct failure why = {0};
    struct entry entry;
    char id[128];

    (void)snprintf(id, sizeof id, "spiffe://cluster.local/ns/shop/sa/%s", name);
    cr_assert_eq(
        entry_make(&place->registry, bytes_of(name), bytes_of(id), (struct bytes){0}, &entry, &why),
        STATUS_OK, "%s: %s", why.reason, why.detail);
    entry.max_instances = max_instances;
    cr_assert_eq(entry_add(&place->registry, &entry, &why), STATUS_OK, "%s", why.detail);
}

#endif
