/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table from byte strings to pointers, with a keyed hash (SipHash-1-3, key drawn per process), so
 * that a peer who chooses the keys cannot make it slow. Keys are copied; values are borrowed. One
 * thread at a time, or many readers of a table that no longer changes.
 */
#ifndef SIGNET_CORE_RUNTIME_BASE_MAP_H
#define SIGNET_CORE_RUNTIME_BASE_MAP_H

#include "core/runtime/base/bytes.h"

struct map_slot;

struct map {
    struct map_slot *slots; /* owned; NULL while empty */
    size_t room;            /* a power of two, or 0 */
    size_t count;           /* keys held */
};

/* map_clear frees the table, not the values. A zeroed struct is an empty map. */
void map_clear(struct map *map);

/* map_get is the value of `key`, or NULL. */
void *map_get(const struct map *map, struct bytes key);

/* map_put sets the value (not NULL) of `key` and returns the one it replaced, or NULL. */
void *map_put(struct map *map, struct bytes key, void *value);

/* map_remove takes `key` out and returns its value, or NULL. */
void *map_remove(struct map *map, struct bytes key);

/*
 * map_next walks the table: start with *cursor = 0, ends with false. The order is arbitrary. The map
 * must not change during the walk. out_key may be NULL.
 */
bool map_next(const struct map *map, size_t *cursor, struct bytes *out_key, void **out_value);

/* map_hash is the keyed hash of `key`, the same for the life of the process. Any thread. */
uint64_t map_hash(struct bytes key);

#endif
