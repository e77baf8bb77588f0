/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/base/map.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/runtime/base/memory.h"

enum { MAP_FIRST_ROOM = 16 };

/* Linear probing; a removed slot is closed by moving its followers back, so there are no tombstones. */
struct map_slot {
    uint8_t *key; /* owned; NULL: the slot is free */
    size_t key_len;
    uint64_t hash;
    void *value; /* borrowed */
};

static uint64_t map_key[2];
static pthread_once_t map_key_once = PTHREAD_ONCE_INIT;

static void map_draw_key(void)
{
    if (getrandom(map_key, sizeof map_key, 0) != (ssize_t)sizeof map_key) {
        abort();
    }
}

static uint64_t map_rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static void map_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = map_rotate(v[1], 13) ^ v[0];
    v[0] = map_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = map_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = map_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = map_rotate(v[1], 17) ^ v[2];
    v[2] = map_rotate(v[2], 32);
}

/* Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one and three rounds. */
uint64_t map_hash(struct bytes key)
{
    uint64_t v[4];
    uint64_t last = (uint64_t)key.len << 56;
    size_t i;

    (void)pthread_once(&map_key_once, map_draw_key);
    v[0] = map_key[0] ^ 0x736f6d6570736575;
    v[1] = map_key[1] ^ 0x646f72616e646f6d;
    v[2] = map_key[0] ^ 0x6c7967656e657261;
    v[3] = map_key[1] ^ 0x7465646279746573;
    for (i = 0; i + 8 <= key.len; i += 8) {
        uint64_t word;

        memcpy(&word, key.at + i, sizeof word);
        v[3] ^= word;
        map_round(v);
        v[0] ^= word;
    }
    for (size_t k = 0; i + k < key.len; k++) {
        last |= (uint64_t)key.at[i + k] << (8 * k);
    }
    v[3] ^= last;
    map_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    map_round(v);
    map_round(v);
    map_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_clear(struct map *map)
{
    for (size_t i = 0; i < map->room; i++) {
        free(map->slots[i].key);
    }
    free(map->slots);
    *map = (struct map){0};
}

/* The slot that holds `key`, or the free one where it would go. The table is never full. */
static struct map_slot *map_find(const struct map *map, struct bytes key, uint64_t hash)
{
    size_t at = hash & (map->room - 1);

    for (;; at = (at + 1) & (map->room - 1)) {
        struct map_slot *slot = &map->slots[at];

        if (slot->key == NULL || (slot->hash == hash &&
                                  bytes_equal(bytes_make(slot->key, slot->key_len), key))) {
            return slot;
        }
    }
}

void *map_get(const struct map *map, struct bytes key)
{
    return map->count == 0 ? NULL : map_find(map, key, map_hash(key))->value;
}

static void map_double(struct map *map)
{
    struct map old = *map;

    map->room = old.room == 0 ? MAP_FIRST_ROOM : old.room * 2;
    map->slots = memory_make(map->room * sizeof *map->slots);
    for (size_t i = 0; i < old.room; i++) {
        struct map_slot *from = &old.slots[i];

        if (from->key != NULL) {
            *map_find(map, bytes_make(from->key, from->key_len), from->hash) = *from;
        }
    }
    free(old.slots);
}

void *map_put(struct map *map, struct bytes key, void *value)
{
    uint64_t hash = map_hash(key);
    struct map_slot *slot;
    void *before;

    assert(value != NULL);
    if (map->room == 0 || map->count >= map->room / 2) {
        map_double(map);
    }
    slot = map_find(map, key, hash);
    before = slot->value;
    if (slot->key == NULL) {
        slot->key = memory_make(key.len + 1);
        if (key.len > 0) {
            memcpy(slot->key, key.at, key.len);
        }
        slot->key_len = key.len;
        slot->hash = hash;
        map->count++;
    }
    slot->value = value;
    return before;
}

void *map_remove(struct map *map, struct bytes key)
{
    struct map_slot *slot;
    void *value;
    size_t hole;

    if (map->count == 0) {
        return NULL;
    }
    slot = map_find(map, key, map_hash(key));
    value = slot->value;
    if (slot->key == NULL) {
        return NULL;
    }
    free(slot->key);
    *slot = (struct map_slot){0};
    map->count--;
    hole = (size_t)(slot - map->slots);
    for (size_t at = (hole + 1) & (map->room - 1); map->slots[at].key != NULL;
         at = (at + 1) & (map->room - 1)) {
        size_t home = map->slots[at].hash & (map->room - 1);

        /* A follower may move into the hole unless its home lies between the hole and itself. */
        if (((at - home) & (map->room - 1)) >= ((at - hole) & (map->room - 1))) {
            map->slots[hole] = map->slots[at];
            map->slots[at] = (struct map_slot){0};
            hole = at;
        }
    }
    return value;
}

bool map_next(const struct map *map, size_t *cursor, struct bytes *out_key, void **out_value)
{
    for (; *cursor < map->room; (*cursor)++) {
        const struct map_slot *slot = &map->slots[*cursor];

        if (slot->key != NULL) {
            if (out_key != NULL) {
                *out_key = bytes_make(slot->key, slot->key_len);
            }
            *out_value = slot->value;
            (*cursor)++;
            return true;
        }
    }
    return false;
}
