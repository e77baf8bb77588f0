/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "core/runtime/base/map.h"
#include "tests/support/suite.h"

SUITE(map);

enum { MAP_TEST_KEYS = 5000 };

static struct bytes map_test_key(unsigned number, char out[16])
{
    return bytes_make(out, (size_t)snprintf(out, 16, "key-%u", number));
}

Test(map, holds_replaces_and_removes)
{
    __attribute__((cleanup(map_clear))) struct map map = {0};
    int one = 1;
    int two = 2;

    cr_assert_null(map_get(&map, bytes_of("a")));
    cr_assert_null(map_remove(&map, bytes_of("a")));
    cr_assert_null(map_put(&map, bytes_of("a"), &one));
    cr_assert_eq(map_put(&map, bytes_of("a"), &two), &one);
    cr_assert_eq(map.count, 1);
    cr_assert_null(map_put(&map, bytes_make("a\0b", 3), &one));
    cr_assert_eq(map_get(&map, bytes_of("a")), &two);
    cr_assert_eq(map_remove(&map, bytes_of("a")), &two);
    cr_assert_null(map_get(&map, bytes_of("a")));
    cr_assert_eq(map_get(&map, bytes_make("a\0b", 3)), &one);
    cr_assert_eq(map.count, 1);
}

/* Removing must not hide the keys that were placed behind the removed one. */
Test(map, keeps_every_key_through_many_removals)
{
    static bool held[MAP_TEST_KEYS];
    static int values[MAP_TEST_KEYS];
    __attribute__((cleanup(map_clear))) struct map map = {0};
    uint32_t draw = 12345;
    size_t count = 0;
    char text[16];

    for (unsigned step = 0; step < 60000; step++) {
        unsigned number;

        draw = draw * 1664525u + 1013904223u;
        number = (draw >> 8) % MAP_TEST_KEYS;
        if (held[number]) {
            cr_assert_eq(map_remove(&map, map_test_key(number, text)), &values[number]);
            count--;
        } else {
            cr_assert_null(map_put(&map, map_test_key(number, text), &values[number]));
            count++;
        }
        held[number] = !held[number];
        cr_assert_eq(map.count, count);
    }
    for (unsigned number = 0; number < MAP_TEST_KEYS; number++) {
        void *expected = held[number] ? &values[number] : NULL;

        cr_assert_eq(map_get(&map, map_test_key(number, text)), expected);
    }
}

Test(map, a_walk_sees_each_key_once)
{
    static int seen[MAP_TEST_KEYS];
    __attribute__((cleanup(map_clear))) struct map map = {0};
    size_t cursor = 0;
    struct bytes key;
    void *value;
    size_t count = 0;
    char text[16];

    for (unsigned number = 0; number < MAP_TEST_KEYS; number++) {
        cr_assert_null(map_put(&map, map_test_key(number, text), &seen[number]));
    }
    while (map_next(&map, &cursor, &key, &value)) {
        cr_assert_eq((*(int *)value)++, 0);
        cr_assert(bytes_starts(key, bytes_of("key-")));
        count++;
    }
    cr_assert_eq(count, MAP_TEST_KEYS);
}

Test(map, the_hash_depends_on_every_byte)
{
    cr_assert_eq(map_hash(bytes_of("abcdefgh1")), map_hash(bytes_of("abcdefgh1")));
    cr_assert_neq(map_hash(bytes_of("abcdefgh1")), map_hash(bytes_of("abcdefgh2")));
    cr_assert_neq(map_hash(bytes_of("")), map_hash(bytes_make("\0", 1)));
}
